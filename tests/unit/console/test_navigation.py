"""Navigation: pages a person may not open are absent, counts stand where they belong."""

from apps.console.presentation.navigation import Count, build_navigation, capped, key_of_path


def test_only_allowed_pages_and_no_empty_group() -> None:
    groups = build_navigation({"today", "exceptions"}, {}, "today")

    assert [group.label for group in groups] == ["Work"]
    assert [(item.key, item.current) for item in groups[0].items] == [
        ("today", True),
        ("exceptions", False),
    ]


def test_counts_reach_their_page() -> None:
    (group,) = build_navigation({"exceptions"}, {"exceptions": Count("128", "late")})

    assert group.items[0].count == Count("128", "late")


def test_path_belongs_to_the_page_with_the_longest_prefix() -> None:
    assert key_of_path("/") == "today"
    assert key_of_path("/exceptions/EXC-1042/") == "exceptions"
    assert key_of_path("/sign-in/") == ""


def test_large_counts_are_capped() -> None:
    assert capped(999) == "999"
    assert capped(1000) == "999+"
