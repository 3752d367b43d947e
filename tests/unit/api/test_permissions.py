"""The permission table."""

from api.permissions import EVERYONE, PERMISSIONS, ROLES, effective, permissions_of


def test_roles_are_nested_so_that_nobody_loses_by_promotion() -> None:
    owner, admin, member, viewer = (permissions_of(role) for role in ROLES)
    assert viewer < member < admin < owner
    assert owner == PERMISSIONS.keys()


def test_a_role_that_does_not_exist_may_nothing() -> None:
    assert permissions_of("root") == frozenset()


def test_a_viewer_only_reads_but_for_what_is_their_own() -> None:
    own = {"profile:log_out", "profile:write", "sessions:write", "credentials:write", "intent:seen"}
    assert {name for name in permissions_of("viewer") if not name.endswith(":read")} == own
    assert all(roles <= EVERYONE for roles in PERMISSIONS.values())


def test_scopes_only_narrow() -> None:
    assert effective("viewer", frozenset({"accounts:read", "accounts:write"})) == {"accounts:read"}
    assert effective("member", None) == permissions_of("member")
