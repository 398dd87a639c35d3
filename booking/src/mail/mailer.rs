//! Where mails go out: to the server, or into the folder.

use std::path::PathBuf;

use lettre::message::Mailbox;

use super::compose::compose;
use super::config::{MailConfig, MailConfigError, Server, sender};
use super::error::MailError;
use super::folder::Folder;
use super::message::Mail;
use super::relay::Relay;

/// Sends mails. Shared by all who do; at most a few go out at once.
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Box<Relay>),
    Files(Folder),
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server has taken it over.
    Sent,
    /// It is in this file.
    Written(PathBuf),
}

impl Mailer {
    /// A mailer for this configuration. Nothing is connected to and nothing written yet.
    ///
    /// # Errors
    /// Any [`MailConfigError`].
    pub fn new(config: &MailConfig) -> Result<Self, MailConfigError> {
        let from = sender(&config.from)?;
        let url = config
            .smtp_url
            .as_deref()
            .map(str::trim)
            .filter(|url| !url.is_empty());
        let way = match url {
            Some(url) => {
                let relay = Relay::new(
                    Server::parse(url)?,
                    config.trust_pem.as_deref(),
                    config.send_within,
                )?;
                Way::Smtp(Box::new(relay))
            }
            None => Way::Files(Folder::new(config.folder.clone())),
        };
        Ok(Self { from, way })
    }

    /// Where mails go, for a line at the start. Without the login.
    pub fn destination(&self) -> String {
        match &self.way {
            Way::Smtp(relay) => format!("mail goes to the server {}", relay.address()),
            Way::Files(folder) => format!(
                "mail is written to {} as .eml files, since booking.mail.smtp_url names no server",
                folder.path().display()
            ),
        }
    }

    /// Sends the mail, within the deadline.
    ///
    /// # Errors
    /// Any [`MailError`]; [`MailError::is_permanent`] says whether to try again.
    pub async fn send(&self, mail: &Mail) -> Result<Delivery, MailError> {
        let composed = compose(mail, &self.from)?;
        match &self.way {
            Way::Smtp(relay) => {
                relay.send(&composed).await?;
                Ok(Delivery::Sent)
            }
            Way::Files(folder) => {
                let path = folder.write(&mail.key, composed.bytes).await?;
                Ok(Delivery::Written(path))
            }
        }
    }
}
