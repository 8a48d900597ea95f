from __future__ import annotations

import pytest

from django_altr.http.deadline import Deadline


def test_a_socket_gets_the_time_that_is_left() -> None:
    deadline = Deadline(10)
    assert 9 < deadline.timeout() <= 10
    assert deadline.timeout(3) == 3
    assert deadline.left() > 9


def test_no_time_left_is_a_timeout() -> None:
    with pytest.raises(TimeoutError, match="budget"):
        Deadline(0).timeout()
