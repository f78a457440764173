"""What people and machines read: reproducers, issue texts, HTML, matrix, JUnit and SARIF."""
