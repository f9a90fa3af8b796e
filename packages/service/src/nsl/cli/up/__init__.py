"""`nsl up`: the whole layer on one machine, with its own PostgreSQL and its own development chains.

Every program is a child process under one supervisor; everything that survives a restart lies in one state folder.
"""
