//! The parts of Tidegate, started together or one at a time.
//!
//! Everything that can fail at the start does so before anything is served: files are read, databases opened and
//! addresses bound first. When one part ends, all are stopped.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::ExitCode;

use anyhow::Context as _;
use tidegate_config::Config;
use tidegate_proxy::Edge;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::banner;
use crate::cli::{One, Serve};
use crate::settings::{self, BadSettings};
use crate::signals;

/// Runs everything a configuration names.
pub(crate) async fn up(args: Serve) -> anyhow::Result<ExitCode> {
    let config = settings::load(settings::file(args.config).as_deref(), args.above)?;
    let token = admin_token(&config);
    try_addresses(&config)?;
    let edge = Edge::start(&config, token.text.clone()).await?;
    let data_dir = &config.edge.data_dir;
    let booking = match &config.booking {
        Some(booking) => Some(
            tidegate_booking::start(booking, data_dir)
                .await
                .context("booking")?,
        ),
        None => None,
    };
    let search = match &config.search {
        Some(search) => Some(tidegate_search::start(search, data_dir).await.context("search")?),
        None => None,
    };
    let stopped = signals::stop()?;
    let addresses = banner::Addresses {
        site: edge.local_addrs(),
        admin: edge.admin_addr()?,
        booking: booking.as_ref().map(|service| service.local_addr()),
        search: search.as_ref().map(|service| service.local_addr()),
    };
    banner::print(&config, &addresses, &token);

    let mut parts = Parts::new(stopped);
    parts.spawn("the edge", |stopped| async move {
        Ok(edge.run(signals::until(stopped)).await?)
    });
    if let Some(booking) = booking {
        parts.spawn("booking", |stopped| async move {
            Ok(booking.run(signals::until(stopped)).await?)
        });
    }
    if let Some(search) = search {
        parts.spawn("search", |stopped| async move {
            Ok(search.run(signals::until(stopped)).await?)
        });
    }
    parts.finish().await
}

/// Runs the edge alone.
pub(crate) async fn proxy(args: One) -> anyhow::Result<ExitCode> {
    let (config, file) = one(args)?;
    if config.routes.is_empty() {
        return Err(BadSettings::NoPart {
            part: "[route]",
            file,
        }
        .into());
    }
    let token = admin_token(&config);
    let edge = Edge::start(&config, token.text.clone()).await?;
    let stopped = signals::stop()?;
    let addresses = banner::Addresses {
        site: edge.local_addrs(),
        admin: edge.admin_addr()?,
        booking: None,
        search: None,
    };
    banner::print(&config, &addresses, &token);
    let mut parts = Parts::new(stopped);
    parts.spawn("the edge", |stopped| async move {
        Ok(edge.run(signals::until(stopped)).await?)
    });
    parts.finish().await
}

/// Runs the booking service alone.
pub(crate) async fn booking(args: One) -> anyhow::Result<ExitCode> {
    let (config, file) = one(args)?;
    let Some(booking) = &config.booking else {
        return Err(BadSettings::NoPart {
            part: "booking",
            file,
        }
        .into());
    };
    let service = tidegate_booking::start(booking, &config.edge.data_dir).await?;
    let mut parts = Parts::new(signals::stop()?);
    println!("booking  http://{}/", service.local_addr());
    parts.spawn("booking", |stopped| async move {
        Ok(service.run(signals::until(stopped)).await?)
    });
    parts.finish().await
}

/// Runs the search service alone.
pub(crate) async fn search(args: One) -> anyhow::Result<ExitCode> {
    let (config, file) = one(args)?;
    let Some(search) = &config.search else {
        return Err(BadSettings::NoPart { part: "search", file }.into());
    };
    let service = tidegate_search::start(search, &config.edge.data_dir).await?;
    let mut parts = Parts::new(signals::stop()?);
    println!("search  http://{}/", service.local_addr());
    parts.spawn("search", |stopped| async move {
        Ok(service.run(signals::until(stopped)).await?)
    });
    parts.finish().await
}

fn one(args: One) -> Result<(Config, std::path::PathBuf), BadSettings> {
    let file = settings::file(args.config).ok_or(BadSettings::NoFile)?;
    Ok((settings::load(Some(&file), args.above)?, file))
}

/// Tries the addresses of what starts after the edge: one that is taken is found before anything is written. What takes it
/// between this and the part's own start is told in the same words.
fn try_addresses(config: &Config) -> anyhow::Result<()> {
    if let Some(booking) = &config.booking {
        let address = booking.listen;
        TcpListener::bind(address)
            .map_err(|cause| tidegate_booking::StartError::Listen { address, cause })
            .context("booking")?;
    }
    if let Some(search) = &config.search {
        let address = search.listen;
        TcpListener::bind(address)
            .map_err(|source| match source.kind() {
                ErrorKind::AddrInUse => tidegate_search::StartError::PortInUse { address },
                _ => tidegate_search::StartError::Listen { address, source },
            })
            .context("search")?;
    }
    Ok(())
}

/// The admin API's token.
pub(crate) struct AdminToken {
    /// The token.
    pub(crate) text: String,
    /// Whether it was made for this run, because none was set.
    pub(crate) made: bool,
}

fn admin_token(config: &Config) -> AdminToken {
    match &config.edge.admin_token {
        Some(token) => AdminToken {
            text: token.clone(),
            made: false,
        },
        None => AdminToken {
            text: format!("{:032x}", rand::random::<u128>()),
            made: true,
        },
    }
}

/// Parts that run side by side until one ends or all are told to.
struct Parts {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    asked: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
}

impl Parts {
    fn new(asked: watch::Receiver<bool>) -> Self {
        Self {
            running: JoinSet::new(),
            asked,
            stop: watch::channel(false).0,
        }
    }

    fn spawn<F>(&mut self, name: &'static str, part: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let part = part(self.stop.subscribe());
        self.running.spawn(async move { (name, part.await) });
    }

    /// Until every part has ended: a clean exit when that was asked for, a failure when one ended by itself.
    async fn finish(mut self) -> anyhow::Result<ExitCode> {
        let mut failed = None;
        tokio::select! {
            () = signals::until(self.asked.clone()) => {}
            ended = self.running.join_next() => failed = Some(reason(ended)),
        }
        let _ = self.stop.send(true);
        while let Some(ended) = self.running.join_next().await {
            if let Ok((name, Err(error))) = ended {
                failed.get_or_insert(error.context(name));
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

fn reason(
    ended: Option<Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>>,
) -> anyhow::Error {
    match ended {
        Some(Ok((name, Err(error)))) => error.context(name),
        Some(Ok((name, Ok(())))) => anyhow::anyhow!("{name} ended by itself"),
        Some(Err(error)) => error.into(),
        None => anyhow::anyhow!("there was nothing to run"),
    }
}
