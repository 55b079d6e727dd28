"""The programs that run inside the sandbox, and the marks they share with the outside."""
