"""The programs that run inside the sandbox, and the marks that they share with the outside."""
