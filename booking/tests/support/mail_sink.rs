//! An SMTP server of a test's own (aiosmtpd, as a process), and a certificate for it. It ends when it is dropped.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as base64;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::peers::{peer, python, run};

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Sink {
    pub port: u16,
    lines: UnboundedReceiver<String>,
    // Killed when dropped.
    _child: Child,
}

/// A mail as the server got it.
#[derive(Debug)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub tls: bool,
    pub login: Option<String>,
    pub bytes: Vec<u8>,
    pub connections_peak: u64,
    pub connections_total: u64,
}

impl Sink {
    pub async fn start(args: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg("-u")
            .arg(peer("mail_sink.py"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("scripts/need-test.sh installs the peers");
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let (keep, lines) = unbounded_channel();
        // Read at once: a server whose output nobody reads stops when the pipe is full.
        tokio::spawn(async move {
            while let Ok(Some(line)) = said.next_line().await {
                if keep.send(line).is_err() {
                    break;
                }
            }
        });
        let mut sink = Self {
            port: 0,
            lines,
            _child: child,
        };
        let hello = sink.line().await;
        sink.port = hello["port"].as_u64().unwrap() as u16;
        sink
    }

    pub fn url(&self, scheme: &str, login: &str, rest: &str) -> Option<String> {
        Some(format!("{scheme}://{login}127.0.0.1:{}{rest}", self.port))
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        let line = line.expect("the server says something in time");
        serde_json::from_str(&line.expect("the server still runs")).unwrap()
    }

    /// The next mail it took.
    pub async fn mail(&mut self) -> Taken {
        let said = self.line().await;
        Taken {
            from: said["from"].as_str().unwrap().to_owned(),
            to: said["to"]
                .as_array()
                .unwrap()
                .iter()
                .map(|to| to.as_str().unwrap().to_owned())
                .collect(),
            tls: said["tls"].as_bool().unwrap(),
            login: said["login"].as_str().map(ToOwned::to_owned),
            bytes: base64.decode(said["mail"].as_str().unwrap()).unwrap(),
            connections_peak: said["connections"]["peak"].as_u64().unwrap(),
            connections_total: said["connections"]["total"].as_u64().unwrap(),
        }
    }
}

/// A certificate for 127.0.0.1 from an authority nobody knows.
pub struct Certificate {
    folder: TempDir,
    pub authority: String,
}

impl Certificate {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::from_params(&params, &key);
        let own = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .and_then(|params| params.signed_by(&own, &issuer))
            .unwrap();
        std::fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), own.serialize_pem()).unwrap();
        Self {
            folder,
            authority: authority.pem(),
        }
    }

    pub fn args(&self) -> [String; 4] {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        [
            "--cert".to_owned(),
            path("cert.pem"),
            "--key".to_owned(),
            path("key.pem"),
        ]
    }
}

/// A mail as Python's parser reads it.
#[derive(Debug)]
pub struct Read(Value);

impl Read {
    pub fn new(bytes: &[u8]) -> Self {
        let read = run(python(), &[PathBuf::from(peer("mail_reader.py"))], bytes);
        let read: Value = serde_json::from_slice(&read).unwrap();
        assert_eq!(read["defects"], serde_json::json!([]), "{read}");
        Self(read)
    }

    /// Every value of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let all = self.0["headers"].as_array().unwrap().iter();
        let named = all.filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
        named.map(|header| header[1].as_str().unwrap()).collect()
    }

    pub fn header_names(&self) -> Vec<&str> {
        let all = self.0["headers"].as_array().unwrap();
        let mut names: Vec<_> = all.iter().map(|header| header[0].as_str().unwrap()).collect();
        names.sort_unstable();
        names
    }

    pub fn multiparts(&self) -> &Value {
        &self.0["multiparts"]
    }

    /// Type, name and contents of each part.
    pub fn parts(&self) -> Vec<(String, Option<String>, Vec<u8>)> {
        let part = |part: &Value| {
            assert_eq!(part["defects"], serde_json::json!([]), "{part}");
            let text = |name: &str| part[name].as_str().map(ToOwned::to_owned);
            (
                text("type").unwrap(),
                text("file"),
                base64.decode(text("base64").unwrap()).unwrap(),
            )
        };
        self.0["parts"].as_array().unwrap().iter().map(part).collect()
    }

    /// The text of the first part of a type, with plain line ends.
    pub fn text(&self, kind: &str) -> String {
        let parts = self.0["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["type"] == kind).unwrap();
        part["text"].as_str().unwrap().replace("\r\n", "\n")
    }
}
