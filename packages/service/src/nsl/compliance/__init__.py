"""What an auditor, a regulator or a person asks of a tenant: reports, reviews, holds, exports, erasure."""
