"""What all records of the CRM share: optimistic versions, soft delete, audit, events, pages. No area in particular."""
