//! aep-operator.
