//! The link that people pass on: `swarm:?id=…&dn=…&tr=<key>@<host:port>&x.pe=<key>@<host:port>`.
//!
//! It has the form of a magnet link. The key of each tracker and peer comes with its address, so
//! whoever holds the link can tell them from somebody in between.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use bincode::{Decode, Encode, de::Decoder, error::DecodeError};

use crate::{
    bin,
    id::{PeerId, SwarmId},
    path::{NAME_LEN_MAX, is_printable},
};

/// The most bytes in a link: all endpoints that fit into one, with room to spare for most hosts.
pub const LINK_LEN_MAX: usize = 16 * 1024;
/// The most trackers and peers in a link.
pub const LINK_ENDPOINTS_MAX: usize = 64;
/// The most bytes in a host name (RFC 1035, 2.3.4, without the root's dot).
pub const HOST_LEN_MAX: usize = 253;

/// A tracker or peer that a link or manifest names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct Endpoint {
    /// The key that must answer. `None`: written as `plain`, and nobody proves anything.
    pub key: Option<PeerId>,
    /// Host name or address literal, an IPv6 one without brackets.
    pub host: String,
    /// TCP port, never 0.
    pub port: u16,
}

/// A parsed link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The swarm.
    pub id: SwarmId,
    /// What the share is called; a hint.
    pub name: Option<String>,
    /// Trackers.
    pub trackers: Vec<Endpoint>,
    /// Peers.
    pub peers: Vec<Endpoint>,
}

/// What is wrong with a link, and what a right one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It does not begin as a link does.
    #[error("a link begins with \"swarm:?id=\", this begins with {0:?}")]
    Scheme(String),
    /// Longer than [`LINK_LEN_MAX`].
    #[error("the link is longer than {} KiB", LINK_LEN_MAX >> 10)]
    TooLong,
    /// It names no swarm.
    #[error("the link has no id; it should begin with \"swarm:?id=\" and 52 characters")]
    NoId,
    /// A parameter that may be there once.
    #[error("the link has two of {0}=")]
    Twice(&'static str),
    /// The swarm's id.
    #[error("{0:?} after id= is not 52 base32 characters (a-z, 2-7)")]
    Id(String),
    /// A `%` without two hex digits after it, or bytes that are no UTF-8.
    #[error("{0:?} in the link is not percent-encoded UTF-8, such as my%20file")]
    Percent(String),
    /// The name has characters that could deceive whoever sees it, or too many.
    #[error("the name after dn= is too long, or has control or invisible characters in it")]
    Name,
    /// More than [`LINK_ENDPOINTS_MAX`].
    #[error("the link has more than {LINK_ENDPOINTS_MAX} trackers and peers")]
    TooManyEndpoints,
    /// Neither key nor `plain` before the address.
    #[error("{0:?} names no key; write <key>@<host>:<port>, or plain:<host>:<port>")]
    NoKey(String),
    /// The key is none.
    #[error("the key in {0:?} is not 52 base32 characters (a-z, 2-7)")]
    Key(String),
    /// The port is missing or none.
    #[error("{0:?} does not end in a port from 1 to 65535, such as host:7000")]
    Port(String),
    /// The host is none.
    #[error(
        "the host in {0:?} is no name or address, such as example.org, 10.0.0.1 or [2001:db8::1]"
    )]
    Host(String),
}

impl Endpoint {
    /// An endpoint at a numeric address.
    #[must_use]
    pub fn at(key: Option<PeerId>, addr: SocketAddr) -> Self {
        Self { key, host: addr.ip().to_string(), port: addr.port() }
    }

    /// Checks host and port, which anyone may have written into the fields.
    ///
    /// # Errors
    /// If nothing can be reached there, by its form alone.
    pub fn check(&self) -> Result<(), LinkError> {
        if self.port == 0 {
            return Err(LinkError::Port(excerpt(&self.to_string())));
        }
        if !is_host(&self.host) {
            return Err(LinkError::Host(excerpt(&self.to_string())));
        }
        Ok(())
    }
}

impl fmt::Display for Endpoint {
    /// `<key>@<host>:<port>` or `plain:<host>:<port>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key}@")?,
            None => f.write_str("plain:")?,
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let (key, address) = if let Some(address) = text.strip_prefix("plain:") {
            (None, address)
        } else {
            let (key, address) =
                text.split_once('@').ok_or_else(|| LinkError::NoKey(excerpt(text)))?;
            (Some(key.parse().map_err(|_| LinkError::Key(excerpt(text)))?), address)
        };
        let (host, port) =
            address.rsplit_once(':').ok_or_else(|| LinkError::Port(excerpt(text)))?;
        // `parse` alone would take a plus sign.
        let port = Some(port)
            .filter(|port| port.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|port| port.parse().ok())
            .filter(|&port| port != 0)
            .ok_or_else(|| LinkError::Port(excerpt(text)))?;
        let bare = match host.strip_prefix('[') {
            Some(literal) => literal.strip_suffix(']').filter(|ip| ip.contains(':')),
            None => Some(host).filter(|host| !host.contains(':')),
        };
        let host = bare.filter(|host| is_host(host));
        let host = host.ok_or_else(|| LinkError::Host(excerpt(text)))?.to_owned();
        Ok(Self { key, host, port })
    }
}

/// Whether text is an address literal or a host name (RFC 1123, and underscores, which are used).
/// Other scripts come in as Punycode.
fn is_host(host: &str) -> bool {
    if host.contains(':') {
        return host.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits is a failed attempt at an IPv4 address, never a name.
    let is_name = |host: &str| {
        host.len() <= HOST_LEN_MAX
            && host.split('.').all(is_label)
            && host.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()))
    };
    host.parse::<Ipv4Addr>().is_ok() || is_name(host)
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swarm:?id={}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, "&dn={}", Escaped(name))?;
        }
        for tracker in &self.trackers {
            write!(f, "&tr={}", Escaped(&tracker.to_string()))?;
        }
        for peer in &self.peers {
            write!(f, "&x.pe={}", Escaped(&peer.to_string()))?;
        }
        Ok(())
    }
}

impl FromStr for Link {
    type Err = LinkError;

    /// Parameters that this program does not know are skipped.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let text = text.trim_ascii();
        if text.len() > LINK_LEN_MAX {
            return Err(LinkError::TooLong);
        }
        let query = text
            .split_at_checked("swarm:?".len())
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("swarm:?"))
            .map(|(_, query)| query)
            .ok_or_else(|| LinkError::Scheme(text.chars().take(16).collect()))?;
        let (mut id, mut name) = (None, None);
        let (mut trackers, mut peers) = (Vec::new(), Vec::new());
        for parameter in query.split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key {
                "id" => {
                    let value = unescape(value)?;
                    let parsed = value.parse().map_err(|_| LinkError::Id(excerpt(&value)))?;
                    once("id", &mut id, parsed)?;
                }
                "dn" => once("dn", &mut name, check_name(unescape(value)?)?)?,
                "tr" => trackers.push(unescape(value)?.parse()?),
                "x.pe" => peers.push(unescape(value)?.parse()?),
                _ => {}
            }
            if trackers.len() + peers.len() > LINK_ENDPOINTS_MAX {
                return Err(LinkError::TooManyEndpoints);
            }
        }
        Ok(Self { id: id.ok_or(LinkError::NoId)?, name, trackers, peers })
    }
}

fn once<T>(key: &'static str, slot: &mut Option<T>, value: T) -> Result<(), LinkError> {
    if slot.replace(value).is_some() { Err(LinkError::Twice(key)) } else { Ok(()) }
}

fn check_name(name: String) -> Result<String, LinkError> {
    if name.len() <= NAME_LEN_MAX && is_printable(&name) { Ok(name) } else { Err(LinkError::Name) }
}

/// So much of a stranger's text as an error message has room for.
fn excerpt(text: &str) -> String {
    const LEN: usize = 96;
    let mut excerpt: String = text.chars().take(LEN).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

/// Text with all percent-encoded that has a meaning in a URI's query or is not ASCII (RFC 3986).
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

fn unescape(text: &str) -> Result<String, LinkError> {
    let fault = || LinkError::Percent(excerpt(text));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let (hex, after) = after.split_first_chunk::<2>().ok_or_else(fault)?;
            let digit = |b: u8| char::from(b).to_digit(16);
            let value = digit(hex[0]).zip(digit(hex[1])).ok_or_else(fault)?;
            bytes.push((value.0 * 16 + value.1) as u8);
            rest = after;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).map_err(|_| fault())
}

impl<C> Decode<C> for Endpoint {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self {
            key: Decode::decode(decoder)?,
            host: bin::text(decoder, HOST_LEN_MAX)?,
            port: Decode::decode(decoder)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "uwslfjnfuws2ljnfuws2ljnfuws2ljnfuws2ljnfuws2ljnfuwsq";
    const KEY: &str = "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qa";

    fn key() -> PeerId {
        KEY.parse().unwrap()
    }

    fn endpoint(key: Option<PeerId>, host: &str, port: u16) -> Endpoint {
        Endpoint { key, host: host.into(), port }
    }

    #[test]
    fn a_link_names_the_swarm_and_who_has_it() {
        let link = Link {
            id: ID.parse().unwrap(),
            name: Some("my file & more.bin".into()),
            trackers: vec![endpoint(Some(key()), "tracker.example.org", 7000)],
            peers: vec![endpoint(Some(key()), "2001:db8::1", 7001), endpoint(None, "10.0.0.1", 1)],
        };
        let text = format!(
            "swarm:?id={ID}&dn=my%20file%20%26%20more.bin&tr={KEY}@tracker.example.org:7000\
             &x.pe={KEY}@%5B2001:db8::1%5D:7001&x.pe=plain:10.0.0.1:1"
        );
        assert_eq!(link.to_string(), text);
        assert_eq!(text.parse(), Ok(link));
    }

    #[test]
    fn links_are_read_as_people_write_them() {
        let bare = Link { id: ID.parse().unwrap(), name: None, trackers: vec![], peers: vec![] };
        for text in [
            format!("swarm:?id={ID}"),
            format!(" SWARM:?id={}\n", ID.to_uppercase()),
            format!("swarm:?xt=unknown&&id={ID}&later=%"),
        ] {
            assert_eq!(text.parse(), Ok(bare.clone()), "{text}");
        }
        let text = format!("swarm:?x.pe={KEY}%40[::1]:80&id={ID}&dn=a+b=c");
        let link: Link = text.parse().unwrap();
        assert_eq!(link.peers, [endpoint(Some(key()), "::1", 80)]);
        assert_eq!(link.name.as_deref(), Some("a+b=c"));
    }

    #[test]
    fn a_bad_link_says_what_is_wrong() {
        let error = |text: &str| text.parse::<Link>().unwrap_err().to_string();
        assert_eq!(
            error("magnet:?xt=urn:btih:abc"),
            r#"a link begins with "swarm:?id=", this begins with "magnet:?xt=urn:b""#
        );
        assert!(error("").contains("begins with"));
        assert!(error("swarm:?dn=a").contains("no id"));
        assert!(error("swarm:?id=abc").contains(r#""abc" after id= is not 52 base32"#));
        assert!(error(&format!("swarm:?id={ID}&id={ID}")).contains("two of id="));
        assert!(error(&format!("swarm:?id={ID}&dn=%4")).contains("percent-encoded"));
        assert!(error(&format!("swarm:?id={ID}&dn=%ff")).contains("percent-encoded"));
        assert!(error(&format!("swarm:?id={ID}&dn=%1b[2J")).contains("control"));
        assert!(error(&format!("swarm:?id={ID}&dn=%E2%80%AE")).contains("invisible"));
        assert!(error(&format!("swarm:?id={ID}&dn={}", "n".repeat(256))).contains("too long"));
        assert!(error(&format!("swarm:?id={ID}&tr=host:1")).contains("names no key"));
        assert_eq!(
            error(&format!("swarm:?id={}", "a".repeat(16384))),
            "the link is longer than 16 KiB"
        );
        let many = "&tr=plain:host:1".repeat(65);
        assert!(error(&format!("swarm:?id={ID}{many}")).contains("more than 64"));
    }

    #[test]
    fn a_bad_endpoint_says_which_part() {
        let error = |text: &str| text.parse::<Endpoint>().unwrap_err();
        let owned = str::to_owned;
        for text in ["", "host:1", "plain", "http://host:1"] {
            assert_eq!(error(text), LinkError::NoKey(owned(text)));
        }
        for text in ["@host:1", "abc@host:1", &format!("{ID}a@host:1")] {
            assert_eq!(error(text), LinkError::Key(owned(text)));
        }
        for text in ["", "h", "h:", "h:0", "h:65536", "h:+1", "h:1x", "[::1]", "h:-1"] {
            let text = format!("plain:{text}");
            assert_eq!(error(&text), LinkError::Port(text.clone()));
        }
        for host in [
            "",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a.",
            "a b",
            "a/b",
            "a@b",
            "é",
            "1.2.3.4.5",
            "256.1.1.1",
            "::1",
            "[::1",
            "[1.2.3.4]",
            "[host]",
            "[fe80::1%eth0]",
            "\u{1b}[2J",
            "0x7f.1",
        ] {
            let text = format!("plain:{host}:1");
            assert_eq!(error(&text), LinkError::Host(text.clone()), "{host:?}");
        }
        let long = format!("plain:{}:1", "a.".repeat(9000));
        assert!(error(&long).to_string().len() < 300);
    }

    #[test]
    fn the_fields_of_an_endpoint_can_be_checked() {
        assert_eq!(endpoint(None, "host", 1).check(), Ok(()));
        assert_eq!(Endpoint::at(None, "[::1]:7".parse().unwrap()), endpoint(None, "::1", 7));
        assert!(matches!(endpoint(None, "host", 0).check(), Err(LinkError::Port(_))));
        assert!(matches!(endpoint(None, "[::1]", 1).check(), Err(LinkError::Host(_))));
    }

    fn any_endpoint() -> impl Strategy<Value = Endpoint> {
        let name = "[a-z0-9_]([a-z0-9-]{0,9}[a-z0-9])?(\\.[a-z]{2,5}){0,3}"
            .prop_filter("a number is no name", |name| is_host(name));
        let host = prop_oneof![
            name,
            any::<Ipv4Addr>().prop_map(|ip| ip.to_string()),
            any::<Ipv6Addr>().prop_map(|ip| ip.to_string()),
        ];
        (any::<Option<[u8; 32]>>(), host, 1_u16..).prop_map(|(key, host, port)| Endpoint {
            key: key.map(PeerId::new),
            host,
            port,
        })
    }

    prop_compose! {
        fn any_link()(
            id in any::<[u8; 32]>(),
            name in prop::option::of("[^\\p{C}]{0,40}".prop_filter("seen", |name| is_printable(name))),
            trackers in prop::collection::vec(any_endpoint(), 0..4),
            peers in prop::collection::vec(any_endpoint(), 0..4),
        ) -> Link {
            Link { id: SwarmId::new(id), name, trackers, peers }
        }
    }

    proptest! {
        #[test]
        fn any_link_survives_being_printed_and_read(link in any_link()) {
            let text = link.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{}", text);
            prop_assert_eq!(text.parse(), Ok(link));
        }

        #[test]
        fn no_text_does_harm(text in "(swarm:\\?)?(id|dn|tr|x.pe|%|&|=|@|:|\\[|\\]|plain|a|é|1){0,30}") {
            if let Err(error) = text.parse::<Link>() {
                prop_assert!(is_printable(&error.to_string()));
            }
        }
    }
}
