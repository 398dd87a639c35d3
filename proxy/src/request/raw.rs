//! What only the bytes of a request header show, once a parser has read them leniently.
//!
//! Pingora takes a bare line feed for the end of a line, drops `Content-Length` beside `Transfer-Encoding` and cuts a
//! fragment from the target before any callback runs. A proxy in front that reads the same bytes otherwise sees other
//! requests than this one: so they are refused (RFC 9112, sections 2.2 and 6.1).

use super::hygiene::Refused;

/// Checks the bytes of a header, request line to empty line. `chunked` says that it names a `Transfer-Encoding`.
pub fn check(header: &[u8], chunked: bool) -> Result<(), Refused> {
    let mut line_begins = 0;
    for end in memchr::memchr_iter(b'\n', header) {
        if end == 0 || header[end - 1] != b'\r' {
            return Err(Refused::BareLineFeed);
        }
        let line = &header[line_begins..end];
        if line_begins == 0 {
            if memchr::memchr(b'#', line).is_some() {
                return Err(Refused::Fragment);
            }
        } else if chunked && is_content_length(line) {
            return Err(Refused::TwoLengths);
        }
        line_begins = end + 1;
    }
    Ok(())
}

fn is_content_length(line: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    line.get(..NAME.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lenient_parser_hides_is_seen() {
        for (header, chunked, wanted) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false, Ok(())),
            ("GET /?q=%23 HTTP/1.1\r\nHost: a\r\nX: #\r\n\r\n", false, Ok(())),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                true,
                Ok(()),
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", false, Ok(())),
            (
                "GET / HTTP/1.1\nHost: a\r\n\r\n",
                false,
                Err(Refused::BareLineFeed),
            ),
            (
                "GET / HTTP/1.1\r\nX: 1\nHost: a\r\n\r\n",
                false,
                Err(Refused::BareLineFeed),
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\n\n",
                false,
                Err(Refused::BareLineFeed),
            ),
            ("\nGET / HTTP/1.1\r\n\r\n", false, Err(Refused::BareLineFeed)),
            (
                "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
                false,
                Err(Refused::Fragment),
            ),
            (
                "POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                true,
                Err(Refused::TwoLengths),
            ),
        ] {
            assert_eq!(check(header.as_bytes(), chunked), wanted, "{header:?}");
        }
    }
}
