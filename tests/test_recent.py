from fuzzconv.recent import Recent


def test_asks_once_until_forgotten() -> None:
    asked: list[int] = []

    def square(number: int) -> int:
        asked.append(number)
        return number * number

    recent: Recent[int, int] = Recent(2)
    answers = [recent.ask(n, lambda n=n: square(n)) for n in (2, 3, 2, 4, 2, 3)]
    assert answers == [4, 9, 4, 16, 4, 9]
    assert asked == [2, 3, 4, 3]  # 3 was the one not asked for longest when 4 came


def test_keeps_only_what_it_is_told_to() -> None:
    answers = iter((1, 2, 3))
    recent: Recent[str, int] = Recent(4)
    assert [recent.ask("x", lambda: next(answers), lambda n: n > 1) for _ in range(3)] == [1, 2, 2]
