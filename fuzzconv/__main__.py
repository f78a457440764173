"""``python -m fuzzconv``."""

from fuzzconv.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
