//! Who takes the money, as configured: a provider elsewhere, or the sandbox, started beside the service.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tidegate_config::{Booking, Database, Payments};

use crate::payment::Secret;
use crate::payment::sandbox::{Chaos, Sandbox, SandboxConfig, SandboxError, WebhookTarget};
use crate::payment::stripe::{CALL_WITHIN, Provider, ProviderConfig, ProviderConfigError};

/// The sandbox's book, under `data_dir`. Where booking is on a server it is there, for all instances.
const SANDBOX_FILE: &str = "payments-sandbox.db";

/// Why nobody takes the money.
#[derive(Debug, thiserror::Error)]
pub enum TillError {
    /// The adapter cannot be made.
    #[error(transparent)]
    Provider(#[from] ProviderConfigError),
    /// The sandbox cannot start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// The provider, and what its notices are signed with.
pub(crate) struct Till {
    pub(crate) provider: Provider,
    pub(crate) webhook_secret: Secret,
    /// Bound, and not running yet.
    pub(crate) sandbox: Option<Sandbox>,
}

impl Till {
    /// Opens it for a service that listens at `booking`.
    pub(crate) async fn open(
        config: &Booking,
        booking: SocketAddr,
        data_dir: &Path,
    ) -> Result<Self, TillError> {
        let (api_base, secret_key, webhook_secret, sandbox) = match &config.payments {
            Payments::Stripe {
                api_base,
                secret_key,
                webhook_secret,
                ..
            } => (api_base.clone(), secret_key.clone(), webhook_secret.clone(), None),
            Payments::Sandbox { chaos } => {
                // Both are known to this process alone: whatever was sent with older ones is sent again.
                let (key, secret) = (fresh("sk_test_"), fresh("whsec_"));
                let sandbox = Sandbox::start(SandboxConfig {
                    listen: (Ipv4Addr::LOCALHOST, 0).into(),
                    book: match &config.database {
                        Database::Sqlite(_) => Database::Sqlite(data_dir.join(SANDBOX_FILE)),
                        server @ Database::Postgres(_) => server.clone(),
                    },
                    secret_key: key.clone(),
                    webhook: Some(WebhookTarget {
                        url: format!("http://{}/payments/webhook", reachable(booking)),
                        secret: secret.clone(),
                    }),
                    public_url: Some(config.public_url.clone()),
                    pay_within: config.pay_within,
                    chaos: chaos.then(|| Chaos::new(rand::random())),
                })
                .await?;
                (
                    format!("http://{}", sandbox.local_addr()),
                    key,
                    secret,
                    Some(sandbox),
                )
            }
        };
        let provider = Provider::new(&ProviderConfig {
            api_base,
            secret_key,
            call_within: CALL_WITHIN,
        })?;
        Ok(Self {
            provider,
            webhook_secret,
            sandbox,
        })
    }
}

fn fresh(prefix: &str) -> Secret {
    Secret::new(format!("{prefix}{:032x}", rand::random::<u128>()))
}

/// Where this machine reaches a listener that listens everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        (Ipv4Addr::LOCALHOST, address.port()).into()
    } else {
        address
    }
}
