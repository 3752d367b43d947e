from bevyly.ids import ID_LENGTH, derived_id, is_id, new_id


def test_new_ids_are_canonical_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(is_id(i) and len(i) == ID_LENGTH for i in ids)


def test_derived_ids_depend_on_every_part() -> None:
    assert derived_id("a", "b") == derived_id("a", "b")
    assert len({derived_id("a", "b"), derived_id("ab"), derived_id("b", "a"), derived_id("a", "b", "")}) == 4
    assert is_id(derived_id("a"))


def test_an_id_has_one_spelling() -> None:
    known = new_id()
    assert not is_id(known.upper())
    assert not is_id(known.replace("-", ""))
    assert not is_id("not-an-id")
