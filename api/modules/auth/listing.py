"""What can be seen of users from the rows that they own."""

from api.query.listing import Fields, Listing
from bevyly.db.schema import User

USERS = Listing(
    name="users",
    table=User,
    permission="profile:read",
    fields=Fields(User).of("id", "name", "email", "role"),
)
