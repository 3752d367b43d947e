"""What rows that have an owner say of teams."""

from api.query.listing import Type, computed

OWNER_TEAMS = computed(
    "owner_team_ids",
    Type.LIST,
    "array(select m.team_id::text from team_members m "
    "where m.customer_id = {row}.customer_id and m.user_id = {row}.owner_id)",
    shown=False,
)
"""The teams that the owner of a row is in."""
