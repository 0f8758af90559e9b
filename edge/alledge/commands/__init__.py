"""One module a command of `alledge`: its options, and how its outcome is told to a person or a script.

They import typer and nothing slow; what a command needs is imported when it runs.
"""
