"""What every slice needs and no slice owns: clock, ids, errors, database, telemetry. No domain noun."""
