//! All state: identities, sandboxes with their objects, Customer.io's webhooks. Services borrow it for one
//! call; `advance` applies what time alone has done since the last one.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::customer_io::Webhooks;
use crate::data_prep::MappingSets;
use crate::flow_service::Transition;
use crate::ids::Ids;
use crate::inlet::Dataset;
use crate::options::Options;
use crate::rate::Bucket;
use crate::schema_registry::Kind;
use crate::seed::SeedObject;
use crate::shelf::Shelf;
use crate::{catalog, flow_service, schema_registry};

/// A credential of the developer console.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Valid secrets: two during a rotation.
    pub(crate) secrets: Vec<String>,
    /// Not entitled to the platform.
    pub(crate) revoked: bool,
    pub(crate) rights: Rights,
}

/// What a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    All,
    ReadOnly,
    None,
}

/// An access token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) client: String,
    pub(crate) expires: u64,
}

/// Who calls, and where.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) client: String,
    pub(crate) user: String,
    pub(crate) org: String,
    pub(crate) sandbox: String,
    pub(crate) rights: Rights,
}

/// One sandbox and its objects.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) sources: Shelf,
    pub(crate) targets: Shelf,
    pub(crate) flows: Shelf,
    /// Flows by the connections they name.
    pub(crate) uses: HashMap<String, HashSet<String>>,
    /// What will happen to flows by itself, and when.
    pub(crate) due: BTreeMap<(u64, String), Transition>,
    pub(crate) mapping_sets: MappingSets,
    pub(crate) field_groups: Shelf,
    pub(crate) schemas: Shelf,
    /// Schemas with every reference resolved, by `$id`.
    pub(crate) resolved: HashMap<String, Value>,
    pub(crate) datasets: Shelf,
    pub(crate) contents: HashMap<String, Dataset>,
    pub(crate) runs: BTreeMap<(String, u64), crate::inlet::RunWindow>,
    pub(crate) inlet: Option<String>,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) ids: Ids,
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) sandboxes: BTreeMap<String, Sandbox>,
    /// Sandbox of each inlet.
    pub(crate) inlets: HashMap<String, String>,
    pub(crate) webhooks: Webhooks,
    pub(crate) buckets: HashMap<String, Bucket>,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let mut ids = Ids::new(options.random_seed);
        let seed = options.seed.clone();
        let client = Client {
            secrets: vec![seed.client_secret],
            revoked: false,
            rights: Rights::All,
        };
        let sandboxes = seed
            .sandboxes
            .iter()
            .map(|name| {
                (
                    name.clone(),
                    Sandbox {
                        id: ids.uuid(),
                        ..Sandbox::default()
                    },
                )
            })
            .collect();
        let mut world = Self {
            ids,
            clients: BTreeMap::from([(seed.client_id, client)]),
            tokens: HashMap::new(),
            sandboxes,
            inlets: HashMap::new(),
            webhooks: Webhooks::new(seed.app_api_key, seed.other_app_api_key),
            buckets: HashMap::new(),
            options,
        };
        if !world.options.empty {
            for object in seed.objects {
                world.plant(object);
            }
        }
        world
    }

    /// Puts one object of the seed in place, as its own service would have stored it.
    fn plant(&mut self, object: SeedObject) {
        let (SeedObject::FieldGroup(sandbox, ..)
        | SeedObject::Schema(sandbox, ..)
        | SeedObject::Dataset(sandbox, ..)) = &object;
        let caller = self.someone(sandbox);
        let Self {
            sandboxes,
            ids,
            options,
            ..
        } = self;
        let Some(sandbox) = sandboxes.get_mut(&caller.sandbox) else {
            return;
        };
        let tenant = &options.seed.tenant;
        let author = schema_registry::Author {
            caller: &caller,
            tenant,
            now: 0,
            listed_from: 0,
        };
        match object {
            SeedObject::FieldGroup(_, id, Value::Object(body)) => {
                schema_registry::store(sandbox, ids, &author, Kind::FieldGroup, &id, body);
            }
            SeedObject::Schema(_, id, Value::Object(body)) => {
                schema_registry::store(sandbox, ids, &author, Kind::Schema, &id, body);
            }
            SeedObject::Dataset(_, id, Value::Object(body)) => {
                catalog::store(sandbox, ids, &caller, (0, 0), &id, body);
            }
            _ => {}
        }
    }

    /// The seed's own technical account, for objects that nobody created by a call.
    pub(crate) fn someone(&self, sandbox: &str) -> Caller {
        Caller {
            client: self.options.seed.client_id.clone(),
            user: self.options.seed.user.clone(),
            org: self.options.seed.org.clone(),
            sandbox: sandbox.to_owned(),
            rights: Rights::All,
        }
    }

    /// What time alone does: flows become enabled, updates settle.
    pub(crate) fn advance(&mut self, now: u64) {
        let Self {
            sandboxes,
            ids,
            options,
            inlets,
            ..
        } = self;
        for (name, sandbox) in sandboxes.iter_mut() {
            flow_service::settle(name, sandbox, ids, options, inlets, now);
        }
    }
}
