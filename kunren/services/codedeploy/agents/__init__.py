"""The CodeDeploy agent: the program inside instances, how it gets there, and who it talks to."""
