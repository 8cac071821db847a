//! Which net does an address belong to, where nets lie in nets?
//!
//! A table of the nets as they are does not answer with one `floor`: the floor of 10.2.0.1 among
//! 10.0.0.0/8 and 10.1.0.0/16 is the second one, which ended before. So the build cuts the nets into
//! ranges that do not overlap, each with the innermost net that covers it. Every address at which
//! the innermost net changes is a key; its value is the net from there on, or nothing where no net
//! is. The same goes for time spans, code points and whatever else nests.
//!
//! ```sh
//! cargo run --release --example nets                   # asks for some addresses
//! cargo run --release --example nets -- 10.1.2.3 ::1   # asks for these
//! ```

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, Ipv6Addr};

use graven::{BuildOptions, Table};

const NETS: &str = "
10.0.0.0/8         private
10.1.0.0/16        office
10.1.128.0/17      laboratory
10.1.255.0/24      printers
127.0.0.0/8        loopback
192.0.2.0/24       documentation
255.255.255.255/32 broadcast
::1/128            loopback
2001:db8::/32      documentation
";

struct Net<'a> {
    first: u128,
    last: u128,
    name: &'a str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut nets = NETS.trim().lines().map(parse).collect::<Result<Vec<_>, _>>()?;
    let ranges = flatten(&mut nets);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("nets.grv");
    // Keys of 16 bytes in big-endian order: their bytes order as the addresses do.
    let entries = ranges.iter().map(|(from, name)| (from.to_be_bytes(), name));
    BuildOptions::new().sorted(true).build(&path, entries)?;

    let table = Table::load(&path)?;
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let some = ["9.9.9.9", "10.2.0.1", "10.1.2.3", "10.1.255.9", "11.0.0.0", "2001:db8::7"];
    let addresses = if asked.is_empty() { some.map(str::to_owned).to_vec() } else { asked };
    for address in &addresses {
        let name = net_of(&table, address.parse()?)?;
        println!("{address}: {}", name.as_deref().unwrap_or("no net"));
    }

    // Around every border the table says what a search through all nets says.
    for &border in ranges.keys() {
        for address in [border.wrapping_sub(1), border, border.wrapping_add(1)] {
            let covering = nets.iter().filter(|net| (net.first..=net.last).contains(&address));
            let innermost = covering.min_by_key(|net| net.last - net.first);
            let found = net_of(&table, Ipv6Addr::from_bits(address).into())?;
            assert_eq!(found.as_deref(), innermost.map(|net| net.name));
        }
    }
    Ok(())
}

/// The innermost net of an address: one `floor`.
fn net_of(table: &Table, address: IpAddr) -> Result<Option<String>, Box<dyn Error>> {
    let Some((_, name)) = table.floor(number(address).to_be_bytes())? else { return Ok(None) };
    Ok((!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned()))
}

/// The addresses at which the innermost net changes, with the name of the net from there on; empty
/// where no net is. Nets nest or lie apart.
fn flatten<'a>(nets: &mut [Net<'a>]) -> BTreeMap<u128, &'a str> {
    // Outer nets before inner ones.
    nets.sort_by_key(|net| (net.first, Reverse(net.last)));
    let mut ranges = BTreeMap::new();
    // The nets around the current place, the innermost last.
    let mut open: Vec<&Net> = Vec::new();
    let mut nets = nets.iter().peekable();
    loop {
        let next = nets.peek().map(|net| net.first);
        match open.last() {
            Some(inner) if next.is_none_or(|next| inner.last < next) => {
                let after = inner.last.checked_add(1);
                open.pop();
                // Nothing comes after the greatest address.
                let Some(after) = after else { continue };
                ranges.insert(after, open.last().map_or("", |outer| outer.name));
            }
            _ => {
                let Some(net) = nets.next() else { return ranges };
                ranges.insert(net.first, net.name);
                open.push(net);
            }
        }
    }
}

/// Address, slash, length; blanks; name.
fn parse(line: &str) -> Result<Net<'_>, Box<dyn Error>> {
    let (net, name) = line.split_once(' ').ok_or("a net without a name")?;
    let (address, length) = net.split_once('/').ok_or("a net without a length")?;
    let (address, length): (IpAddr, u32) = (address.parse()?, length.parse()?);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let free = bits - length.min(bits);
    let hosts = u128::MAX.checked_shr(128 - free).unwrap_or(0);
    let first = number(address) & !hosts;
    Ok(Net { first, last: first | hosts, name: name.trim() })
}

/// An address as a number; IPv4 as the addresses of IPv6 that stand for it.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
