"""From a bad verdict to a finding: signature, localisation, reduction, blame, corpus and store."""
