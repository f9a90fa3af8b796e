"""What a key may sign: a document, what a thing to sign does, and the decision. One code, in the enclave and outside.

Pure: the time is an argument, and nothing of the host's is believed.
"""
