//! The bridges that networks live on, and the host's settings that they need.

use std::io;

use netlink::route::{self, Link, LinkAddress};
use netlink::wire::Messages;
use netlink::{Socket, Subsystem};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde::{Deserialize, Serialize};

use crate::{Ipv4Net, MacAddress, NetworkError};

/// A bridge as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePlan {
    /// The interface's name: `docker0`, `br-` and twelve digits, or the user's choice.
    pub name: String,
    /// The host's own address on it, with the prefix of the network: `172.17.0.1/16`.
    pub address: Ipv4Net,
    /// The largest packet; 0 for the kernel's default.
    pub mtu: u32,
}

/// Makes the bridge exist as planned, up and with its address. Harmless to repeat.
///
/// Addresses that someone else gave it stay. An interface of that name that is no bridge is a conflict.
pub fn ensure_bridge(plan: &BridgePlan) -> Result<(), NetworkError> {
    let mut socket = open_route()?;
    let found = find(&mut socket, &plan.name)?;
    let is_new = found.is_none();
    let link = match found {
        Some(link) if link.kind == "bridge" => link,
        Some(_) => return Err(NetworkError::NotABridge(plan.name.clone())),
        None => create(&mut socket, plan)?,
    };
    let rest = configure(&mut socket, plan, &link);
    if rest.is_err() && is_new {
        let _ = remove_bridge(&plan.name);
    }
    rest
}

fn open_route() -> Result<Socket, NetworkError> {
    Socket::open(Subsystem::Route).map_err(NetworkError::kernel("open a netlink socket"))
}

fn find(socket: &mut Socket, name: &str) -> Result<Option<Link>, NetworkError> {
    route::find_link(socket, name).map_err(NetworkError::kernel(format!("look up {name}")))
}

fn create(socket: &mut Socket, plan: &BridgePlan) -> Result<Link, NetworkError> {
    let mut out = Messages::new();
    // A bridge without an address of its own takes its ports' lowest, which changes as containers come and go.
    let mac = MacAddress::for_ipv4(plan.address.address());
    route::create_bridge(&mut out, &plan.name, mac.octets(), plan.mtu);
    match socket.execute(out) {
        Err(error) if !error.is_present() => {
            return Err(NetworkError::kernel(format!("create bridge {}", plan.name))(error));
        }
        _ => {}
    }
    find(socket, &plan.name)?.ok_or_else(|| NetworkError::Lost(plan.name.clone()))
}

fn configure(socket: &mut Socket, plan: &BridgePlan, link: &Link) -> Result<(), NetworkError> {
    let mut out = Messages::new();
    route::add_address(
        &mut out,
        &LinkAddress { index: link.index, address: plan.address.address(), prefix: plan.address.prefix() },
    );
    if plan.mtu != 0 && link.mtu != plan.mtu {
        route::set_mtu(&mut out, link.index, plan.mtu);
    }
    route::set_up(&mut out, link.index);
    socket.execute(out).map_err(NetworkError::kernel(format!("configure bridge {}", plan.name)))?;
    // So that the host reaches published ports on 127.0.0.1; the firewall keeps everyone else away.
    write_setting(&format!("net/ipv4/conf/{}/route_localnet", plan.name), "1")
}

/// Removes the bridge; does nothing if there is none of that name.
pub fn remove_bridge(name: &str) -> Result<(), NetworkError> {
    let mut socket = open_route()?;
    match find(&mut socket, name)? {
        Some(link) if link.kind == "bridge" => {}
        _ => return Ok(()),
    }
    let mut out = Messages::new();
    route::delete_link(&mut out, name);
    match socket.execute(out) {
        Err(error) if error.is_missing() => Ok(()),
        other => other.map_err(NetworkError::kernel(format!("remove bridge {name}"))),
    }
}

/// The bridge's IPv4 addresses; `None` if there is no interface of that name.
pub fn bridge_addresses(name: &str) -> Result<Option<Vec<Ipv4Net>>, NetworkError> {
    let mut socket = open_route()?;
    let Some(link) = find(&mut socket, name)? else { return Ok(None) };
    if link.kind != "bridge" {
        return Err(NetworkError::NotABridge(name.to_owned()));
    }
    let all = route::list_addresses(&mut socket).map_err(NetworkError::kernel("list addresses"))?;
    let own = all.iter().filter(|address| address.index == link.index);
    Ok(Some(own.filter_map(|address| Ipv4Net::new(address.address, address.prefix)).collect()))
}

/// The networks that the host is itself a part of, which a new network must not take, each with its interface.
pub fn host_networks() -> Result<Vec<(String, Ipv4Net)>, NetworkError> {
    let mut socket = open_route()?;
    let links = route::list_links(&mut socket).map_err(NetworkError::kernel("list interfaces"))?;
    let routes = route::list_routes(&mut socket).map_err(NetworkError::kernel("list routes"))?;
    let on_link = routes.iter().filter(|route| route.is_on_link && route.prefix > 0);
    Ok(on_link
        .filter_map(|route| {
            let link = links.iter().find(|link| link.index == route.index)?;
            Some((link.name.clone(), Ipv4Net::new(route.destination, route.prefix)?))
        })
        .collect())
}

/// Takes an address from an interface; does nothing if it does not have it.
pub fn remove_address(name: &str, address: Ipv4Net) -> Result<(), NetworkError> {
    let mut socket = open_route()?;
    let Some(link) = find(&mut socket, name)? else { return Ok(()) };
    let mut out = Messages::new();
    route::delete_address(
        &mut out,
        &LinkAddress { index: link.index, address: address.address(), prefix: address.prefix() },
    );
    match socket.execute(out) {
        Err(error) if error.is_missing() => Ok(()),
        other => other.map_err(NetworkError::kernel(format!("take {address} from {name}"))),
    }
}

/// Whether there is an interface of this name. Asked before each start, so not by netlink: that would wait for whoever
/// changes any link of the host just now.
pub fn is_there(name: &str) -> Result<bool, NetworkError> {
    let failed = |errno: Errno| NetworkError::system(format!("look up {name}"))(errno.into());
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).map_err(failed)?;
    match name_to_index(&socket, name) {
        Ok(_) => Ok(true),
        Err(Errno::NODEV) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}

/// The interfaces that are ports of this bridge.
pub fn ports(bridge: &str) -> Result<Vec<String>, NetworkError> {
    let mut socket = open_route()?;
    let links = route::list_links(&mut socket).map_err(NetworkError::kernel("list interfaces"))?;
    let Some(master) = links.iter().find(|link| link.name == bridge) else { return Ok(Vec::new()) };
    Ok(links.iter().filter(|link| link.master == master.index).map(|link| link.name.clone()).collect())
}

/// Lets the host pass packets between its interfaces. `true` if it did not before: then the caller should ask
/// the firewall to keep what is none of ours from passing.
pub fn enable_forwarding() -> Result<bool, NetworkError> {
    const FORWARDING: &str = "net/ipv4/ip_forward";
    let was_on = read_setting(FORWARDING)?.trim() == "1";
    if !was_on {
        write_setting(FORWARDING, "1")?;
    }
    Ok(!was_on)
}

fn read_setting(name: &str) -> Result<String, NetworkError> {
    let path = format!("/proc/sys/{name}");
    std::fs::read_to_string(&path).map_err(NetworkError::system(format!("read {path}")))
}

fn write_setting(name: &str, value: &str) -> Result<(), NetworkError> {
    let path = format!("/proc/sys/{name}");
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(NetworkError::system(format!("write {path}")))
}
