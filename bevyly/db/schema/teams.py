"""Who works with whom: teams and their members. Writer: `api`."""

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, CreatedAt, Id, Instant, Name, TenantRow, tenant_fk


class Team(TenantRow, Base):
    """Some users of a tenant under one name. Writer: `api`."""

    __tablename__ = "teams"
    __table_args__ = (
        Index("uq_teams_name", "customer_id", text("lower(name)"), unique=True),
        Index("ix_teams_list", "customer_id", text("created_at desc"), text("id desc")),
    )

    name: Mapped[Name]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[Instant]


class TeamMember(Base):
    """A user in a team; a lead sees the records of the team whatever the tenant's visibility is. Writer: `api`."""

    __tablename__ = "team_members"
    __table_args__ = (
        tenant_fk("team_id", "teams", ondelete="CASCADE"),
        tenant_fk("user_id", "users"),
        Index("ix_team_members_user", "customer_id", "user_id", "team_id"),
    )

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    team_id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(primary_key=True)
    lead: Mapped[bool] = mapped_column(server_default="false", default=False)
