//! Which addresses a target may have. The name is resolved for each connection, every address it has is checked, and
//! the connection goes to what was checked: a name that changes in between (DNS rebinding) gains nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Addresses of one name that are looked at; with more it is refused.
const ADDRESSES_MAX: usize = 16;

/// A network: an address and the length of its prefix, `10.1.0.0/16`; one address alone is a network too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address is one of this network.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => same_prefix(
                u128::from(base.to_bits()) << 96,
                u128::from(address.to_bits()) << 96,
                self.prefix,
            ),
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same_prefix(base.to_bits(), address.to_bits(), self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(one: u128, other: u128, prefix: u8) -> bool {
    prefix == 0 || (one ^ other) >> (128 - u32::from(prefix)) == 0
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a network such as 10.1.0.0/16 or fd00::/8, got {text:?}");
        let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if prefix > most {
            return Err(wrong());
        }
        Ok(Self { base, prefix })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Anybody's, on the internet.
    Public,
    /// Listed in the settings.
    Listed,
    /// Neither.
    Forbidden,
}

/// The IPv4 address that an IPv6 one stands for (mapped, compatible, NAT64, 6to4): it is what would be reached.
fn v4_within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = || Ipv4Addr::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap_or_default());
    let parts = address.segments();
    match parts {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(low()),
        [0, 0, 0, 0, 0, 0, ..] if bits > 1 => Some(low()),
        [0x2002, high, next, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(next))),
        _ => None,
    }
}

/// Whether an address is on the internet (the IANA registries of special addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            let special = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19));
            !special
        }
        IpAddr::V6(address) => match v4_within(address) {
            Some(within) => is_public(IpAddr::V4(within)),
            // Only 2000::/3 is given out; of it not 2001::/23 (protocols, Teredo), 2001:db8::/32, 3fff::/20.
            None => match address.segments() {
                [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
                [first, second, ..] => first >> 13 == 1 && !(first == 0x3fff && second < 0x1000),
            },
        },
    }
}

fn place(address: IpAddr, listed: &[Network]) -> Place {
    let within = match address {
        IpAddr::V6(v6) => v4_within(v6).map(IpAddr::V4),
        IpAddr::V4(_) => None,
    };
    let is_listed = |address: IpAddr| listed.iter().any(|network| network.contains(address));
    if is_listed(address) || within.is_some_and(is_listed) {
        Place::Listed
    } else if is_public(address) {
        Place::Public
    } else {
        Place::Forbidden
    }
}

/// Turns a name and a port into addresses.
pub trait Lookup: Send + Sync + fmt::Debug + 'static {
    /// All addresses of `host`, a name or an address, within `within`.
    fn addresses(&self, host: &str, port: u16, within: Duration) -> std::io::Result<Vec<SocketAddr>>;
}

/// As the system resolves names.
#[derive(Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, host: &str, port: u16, within: Duration) -> std::io::Result<Vec<SocketAddr>> {
        let (found, answer) = mpsc::sync_channel(1);
        let asked = format!("{host}:{port}");
        // The system's resolver knows no limit of time: a thread that comes too late ends by itself.
        std::thread::Builder::new().name("event-lookup".into()).spawn(move || {
            let _ = found.send(asked.to_socket_addrs().map(Vec::from_iter));
        })?;
        answer.recv_timeout(within).map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
    }
}

/// Gives addresses only if every one of them is permitted.
#[derive(Debug, Clone)]
pub struct Checked {
    lookup: Arc<dyn Lookup>,
    listed: Arc<[Network]>,
}

/// Why a target's address is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// One of the addresses is not on the internet and not listed.
    #[error("an address of the target is not on the internet and not listed in events.private")]
    Address,
    /// Without TLS only to listed addresses.
    #[error("a target outside of events.private needs https")]
    Plain,
    /// Too many to be checked.
    #[error("the target has more addresses than are checked")]
    TooMany,
}

impl Checked {
    /// `listed` are the networks that are permitted though they are not on the internet.
    pub fn new(lookup: Arc<dyn Lookup>, listed: &[Network]) -> Self {
        Self { lookup, listed: listed.into() }
    }

    fn check(&self, addresses: &[SocketAddr], encrypted: bool) -> Result<(), Forbidden> {
        if addresses.len() > ADDRESSES_MAX {
            return Err(Forbidden::TooMany);
        }
        for address in addresses {
            match place(address.ip(), &self.listed) {
                Place::Listed => {}
                Place::Public if encrypted => {}
                Place::Public => return Err(Forbidden::Plain),
                Place::Forbidden => return Err(Forbidden::Address),
            }
        }
        Ok(())
    }
}

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let encrypted = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let within = if timeout.after.is_not_happening() { Duration::from_secs(5) } else { *timeout.after };
        let addresses = self.lookup.addresses(host, port, within)?;
        self.check(&addresses, encrypted).map_err(|forbidden| ureq::Error::Other(Box::new(forbidden)))?;
        let mut resolved = self.empty();
        addresses.into_iter().for_each(|address| resolved.push(address));
        if resolved.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(resolved) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_not_on_the_internet_is_forbidden_in_every_spelling() {
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
            "4000::1",
        ] {
            assert_eq!(place(text.parse().unwrap(), &[]), Place::Forbidden, "{text}");
        }
        for text in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2a00:1450::1",
            "2606:4700::1",
            "::ffff:1.1.1.1",
        ] {
            assert_eq!(place(text.parse().unwrap(), &[]), Place::Public, "{text}");
        }
    }

    #[test]
    fn a_listed_network_is_permitted_and_its_neighbour_is_not() {
        let listed = networks(&["10.1.0.0/16", "127.0.0.1", "fd00::/8"]);
        for text in ["10.1.255.255", "127.0.0.1", "::ffff:127.0.0.1", "fd12::1"] {
            assert_eq!(place(text.parse().unwrap(), &listed), Place::Listed, "{text}");
        }
        for text in ["10.2.0.0", "10.0.255.255", "127.0.0.2", "fc00::1", "::ffff:10.2.0.1"] {
            assert_eq!(place(text.parse().unwrap(), &listed), Place::Forbidden, "{text}");
        }
        assert_eq!(place("10.9.9.9".parse().unwrap(), &networks(&["0.0.0.0/0"])), Place::Listed);
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "example", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_forbidden_address_among_permitted_ones_refuses_the_name() {
        let checked = Checked::new(Arc::new(SystemLookup), &networks(&["10.1.0.0/16"]));
        let at = |texts: &[&str]| {
            texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443)).collect::<Vec<_>>()
        };
        assert_eq!(checked.check(&at(&["1.1.1.1", "10.1.0.1"]), true), Ok(()));
        assert_eq!(checked.check(&at(&["1.1.1.1", "127.0.0.1"]), true), Err(Forbidden::Address));
        assert_eq!(checked.check(&at(&["1.1.1.1"]), false), Err(Forbidden::Plain));
        assert_eq!(checked.check(&at(&["10.1.0.1"]), false), Ok(()));
        assert_eq!(checked.check(&at(&["1.1.1.1"; 17]), true), Err(Forbidden::TooMany));
    }
}
