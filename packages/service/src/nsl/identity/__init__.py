"""Tenants, clients, tokens, scopes."""
