//! Where the App API is.

use std::fmt;

use url::Url;

use crate::platform::{EndpointError, base_address};

/// Where Customer.io keeps a workspace. A key is of one region only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// The United States.
    Us,
    /// The European Union.
    Eu,
}

impl Region {
    /// `us` or `eu`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The App API's hosts: from the operator's own configuration, never from a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    us: Url,
    eu: Url,
}

impl Addresses {
    /// The App API of the United States (Customer.io's own client for Node, `lib/regions.ts`).
    pub const US: &'static str = "https://api.customer.io";
    /// The App API of the European Union (same source).
    pub const EU: &'static str = "https://api-eu.customer.io";

    /// Checks both addresses with [`base_address`]. `/v1/...` is appended to them.
    ///
    /// # Errors
    /// One of them is no base address, or would carry keys in the clear.
    pub fn new(us: &str, eu: &str) -> Result<Self, EndpointError> {
        Ok(Self {
            us: base_address("Customer.io us", us)?,
            eu: base_address("Customer.io eu", eu)?,
        })
    }

    /// The App API of a region.
    pub const fn of(&self, region: Region) -> &Url {
        match region {
            Region::Us => &self.us,
            Region::Eu => &self.eu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_own_address_and_keys_never_travel_in_the_clear() {
        let addresses = Addresses::new(Addresses::US, Addresses::EU).unwrap();
        assert_eq!(
            addresses.of(Region::Us).as_str(),
            "https://api.customer.io/"
        );
        assert_eq!(
            addresses.of(Region::Eu).as_str(),
            "https://api-eu.customer.io/"
        );
        let error = Addresses::new(Addresses::US, "http://api-eu.customer.io").unwrap_err();
        assert!(error.to_string().contains("Customer.io eu"), "{error}");
        assert!(Addresses::new("http://127.0.0.1:1", "http://localhost:1").is_ok());
    }
}
