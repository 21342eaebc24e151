//! A strict stand-in for Adobe Experience Platform and Customer.io.
