"""Where keys may go."""

import pytest

from vergence.data.annotation.servers.address import checked_address, is_here, origin
from vergence.errors import InputError


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "https://labels.example.com/studio"]
)
def test_addresses_that_are_taken(url: str) -> None:
    assert checked_address(url + "/") == url


@pytest.mark.parametrize(
    "url",
    ["", "labels.example.com", "ftp://a", "http://", "http://a:b", "http://[::1", "https://a/?key=1", "file:///x"],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InputError, match="url is no address of a server"):
        checked_address(url)


@pytest.mark.parametrize("url", ["http://labels.example.com", "http://10.0.0.7:8080", "http://127.0.0.1.example.com"])
def test_another_machine_is_not_asked_in_the_open(url: str) -> None:
    with pytest.raises(InputError, match="not encrypted, so that anybody between could read your key"):
        checked_address(url)
    assert checked_address(url, plain_http=True) == url


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="has a name or password in it") as error:
        checked_address("https://ann:hush@labels.example.com")
    assert "hush" not in str(error.value)


def test_origins() -> None:
    assert origin("https://a/x") == origin("https://a:443/y") != origin("http://a/x")
    assert origin("http://a:b") == ("", None, None)
    assert is_here("http://localhost/")
    assert not is_here("http://localhost.example.com/")
