"""People: how they register, prove who they are, stay signed in, and are invited or provisioned."""
