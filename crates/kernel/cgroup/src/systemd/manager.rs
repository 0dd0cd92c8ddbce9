//! Calls of systemd's manager: starting, changing and stopping units.

use std::time::{Duration, Instant};

use serde::Serialize;
use zbus::ObjectPath;
use zbus::wire::{DynamicType, OwnedVariant, Variant};

use super::UnitPlan;
use super::bus::{Bus, BusError};
use super::message::{Header, Message, argument};
use super::properties::{Property, PropertyValue};

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

/// How long a job may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to systemd.
#[derive(Debug)]
pub struct Manager {
    bus: Bus,
    version: u32,
}

impl Manager {
    /// Connects and asks for the version.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn connect() -> Result<Self, BusError> {
        Bus::system().and_then(Self::on)
    }

    pub(super) fn on(mut bus: Bus) -> Result<Self, BusError> {
        let header = Header {
            path: PATH.to_owned(),
            interface: "org.freedesktop.DBus.Properties".to_owned(),
            member: "Get".to_owned(),
            destination: NAME.to_owned(),
            ..Header::default()
        };
        let answer = bus.call(&header, &(INTERFACE, "Version"))?;
        let version = match &*answer.body::<OwnedVariant>()? {
            Variant::Str(text) => version_number(text),
            _ => None,
        };
        Ok(Self { bus, version: version.ok_or(BusError::Malformed)? })
    }

    /// Starts a unit with a process in it and waits until it is there. A failed one of that name is cleared away first.
    ///
    /// # Errors
    /// When systemd refuses, or the job does not end well in time.
    pub fn start(&mut self, unit: &UnitPlan, pid: Option<u32>) -> Result<(), BusError> {
        self.bus.subscribe(INTERFACE)?;
        match self.call("Subscribe", &()) {
            Ok(_) | Err(BusError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut properties = unit.properties.clone();
        properties.extend(pid.map(|pid| Property::new("PIDs", PropertyValue::Numbers(vec![pid]))));
        let started = match self.try_start(&unit.name, &properties) {
            Err(BusError::Refused { name, .. }) if name.ends_with(".UnitExists") => {
                let _ = self.reset_failed(&unit.name);
                self.try_start(&unit.name, &properties)
            }
            other => other,
        };
        if let Err(BusError::Job(_) | BusError::TimedOut) = started {
            let _ = self.reset_failed(&unit.name);
        }
        started
    }

    fn try_start(&mut self, unit: &str, properties: &[Property]) -> Result<(), BusError> {
        let properties = self.known(properties);
        let none = Vec::<(&str, Vec<(&str, Variant<'_>)>)>::new();
        let answer = self.call("StartTransientUnit", &(unit, "replace", properties, none))?;
        match self.await_job(&answer)?.as_str() {
            "done" => Ok(()),
            other => Err(BusError::Job(other.to_owned())),
        }
    }

    /// Changes properties of a unit, until it is gone.
    ///
    /// # Errors
    /// When systemd refuses.
    pub fn set(&mut self, unit: &str, properties: &[Property]) -> Result<(), BusError> {
        let properties = self.known(properties);
        self.call("SetUnitProperties", &(unit, true, properties)).map(drop)
    }

    /// Stops a unit, clears it away if it has failed, and waits until it is gone. One that is not there is fine.
    ///
    /// # Errors
    /// When the job does not end in time.
    pub fn stop(&mut self, unit: &str) -> Result<(), BusError> {
        self.bus.subscribe(INTERFACE)?;
        match self.call("Subscribe", &()) {
            Ok(_) | Err(BusError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.call("StopUnit", &(unit, "replace")) {
            Ok(answer) => {
                self.await_job(&answer)?;
            }
            Err(BusError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.reset_failed(unit) {
            Ok(()) | Err(BusError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn reset_failed(&mut self, unit: &str) -> Result<(), BusError> {
        self.call("ResetFailedUnit", &unit).map(drop)
    }

    /// The arguments of those properties that this systemd knows.
    fn known<'p>(&self, properties: &'p [Property]) -> Vec<(&'p str, Variant<'p>)> {
        properties.iter().filter(|property| property.since <= self.version).map(argument).collect()
    }

    /// How the job of an answer ended.
    fn await_job(&mut self, answer: &Message) -> Result<String, BusError> {
        let job = answer.body::<ObjectPath<'_>>()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let signal = self.bus.signal(deadline)?;
            if signal.header.interface != INTERFACE || signal.header.member != "JobRemoved" {
                continue;
            }
            let (_, removed, _, result): (u32, ObjectPath<'_>, &str, &str) = signal.body()?;
            if removed == job {
                return Ok(result.to_owned());
            }
        }
    }

    fn call<B: ?Sized + Serialize + DynamicType>(
        &mut self,
        member: &str,
        body: &B,
    ) -> Result<Message, BusError> {
        let header = Header {
            path: PATH.to_owned(),
            interface: INTERFACE.to_owned(),
            member: member.to_owned(),
            destination: NAME.to_owned(),
            ..Header::default()
        };
        self.bus.call(&header, body)
    }
}

/// `v252.4-1` as 252.
fn version_number(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(['"', 'v']);
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod unit {
    use super::version_number;

    #[test]
    fn versions_are_numbers_with_ornaments() {
        for text in ["v252.4-1", "252", "\"v252-1.fc32\"", "252 (252.38-1~deb12u1)"] {
            assert_eq!(version_number(text), Some(252), "{text}");
        }
        assert_eq!(version_number("devel"), None);
    }
}
