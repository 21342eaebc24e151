//! The certificates and keys of one control plane, all in memory and made anew for each run.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

/// A certificate with its private key, both PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Everything kube-apiserver and its clients need.
pub(super) struct Pki {
    /// The certificate of the authority that signed all others.
    pub(super) authority: String,
    /// What kube-apiserver shows to clients.
    pub(super) serving: Pair,
    /// Group `system:masters`: RBAC does not apply to it.
    pub(super) admin: Pair,
    /// Group of the controller manager's well-known user.
    pub(super) controller_manager: Pair,
    /// Signs ServiceAccount tokens.
    pub(super) token_key: String,
    /// Checks ServiceAccount tokens.
    pub(super) token_public_key: String,
}

impl Pki {
    pub(super) fn generate() -> Result<Self> {
        let authority = Authority::new()?;
        let tokens = KeyPair::generate().context("cannot make a key")?;
        Ok(Self {
            serving: authority.serving()?,
            admin: authority.client("playground-admin", Some("system:masters"))?,
            controller_manager: authority.client("system:kube-controller-manager", None)?,
            token_key: tokens.serialize_pem(),
            token_public_key: tokens.public_key_pem(),
            authority: authority.certificate,
        })
    }
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("aep-operator playground", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
        ];
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params
            .self_signed(&key)
            .context("cannot sign the authority's certificate")?
            .pem();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    fn serving(&self) -> Result<Pair> {
        let names = [
            "localhost",
            "127.0.0.1",
            "kubernetes",
            "kubernetes.default.svc",
        ];
        let mut params = CertificateParams::new(names.map(str::to_owned))?;
        params.distinguished_name = name("kube-apiserver", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    fn client(&self, user: &str, group: Option<&str>) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Pair> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("cannot sign a certificate")?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// Kubernetes reads the user from the common name and the group from the organization.
fn name(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}
