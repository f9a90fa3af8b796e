"""The OpenID provider: how applications get tokens for people and for themselves."""
