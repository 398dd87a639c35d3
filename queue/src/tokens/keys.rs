//! The file that holds the signing keys: made on first use, readable by its owner only, rotated without logging
//! anyone out.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::disk;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("cannot {doing} the key file {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not what this program writes.
    #[error(
        "the key file {} is damaged ({reason}); restore it from a backup, or move it away to begin with new keys, \
         which makes every place and visit given so far worthless",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others may read the file.
    #[error(
        "the key file {} can be read by others (mode {mode:o}); whoever reads it can forge tokens: chmod 600 it, and \
         rotate the keys if anyone may have",
        path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// What was handed over is no key ring.
    #[error(
        "{origin} holds no whole key ring ({reason}): give all that `tidegate keys share` printed, unchanged"
    )]
    NoRing {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No randomness, or a key the library does not take.
    #[error("cannot make a key: the system's source of randomness failed")]
    Make,
}

/// One generation of keys: a secret for what only Tidegate reads, a pair for what origins verify.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Generation {
    pub(super) kid: String,
    pub(super) made_at: u64,
    #[serde(with = "base64_bytes")]
    pub(super) secret: Vec<u8>,
    #[serde(with = "base64_bytes")]
    pub(super) pkcs8: Vec<u8>,
    #[serde(with = "base64_bytes")]
    pub(super) public: Vec<u8>,
}

/// What may be said of a generation of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its id, the `kid` of tokens.
    pub kid: String,
    /// When it was made, in Unix seconds.
    pub made_at: u64,
    /// Whether new tokens are signed with it.
    pub signs: bool,
}

/// The keys of one installation, newest first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    pub(super) keys: Vec<Generation>,
}

/// Generations kept. A round that outlives sixteen rotations loses its oldest tokens.
const KEPT: usize = 16;
/// The shortest secret taken, in bytes: the output of SHA-256 (RFC 7518, section 3.2).
const SECRET_LEN: usize = 32;

impl KeyFile {
    /// New keys.
    pub fn generate(now_s: u64) -> Result<Self, KeyFileError> {
        Ok(Self {
            keys: vec![Generation::make(now_s)?],
        })
    }

    /// The keys in `path`; made there, for the owner only, when there are none.
    pub fn load_or_create(path: &Path, now_s: u64) -> Result<Self, KeyFileError> {
        match fs::read(path) {
            Ok(bytes) => Self::parse(path, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self::generate(now_s)?;
                keys.save(path)?;
                Ok(keys)
            }
            Err(source) => Err(KeyFileError::Io {
                doing: "read",
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, KeyFileError> {
        let damaged = |reason: String| KeyFileError::Damaged {
            path: path.to_owned(),
            reason,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path)
                .map(|m| m.permissions().mode() & 0o777)
                .unwrap_or(0);
            if mode & 0o077 != 0 {
                return Err(KeyFileError::Exposed {
                    path: path.to_owned(),
                    mode,
                });
            }
        }
        Self::read(bytes).map_err(damaged)
    }

    /// The keys in a text that [`KeyFile::to_text`] made. `origin` is what to call it in the error.
    ///
    /// # Errors
    /// Anything in it is not as it was made.
    pub fn from_text(text: &[u8], origin: &str) -> Result<Self, KeyFileError> {
        Self::read(text).map_err(|reason| KeyFileError::NoRing {
            origin: origin.to_owned(),
            reason,
        })
    }

    /// All the keys with their secrets, as a text.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("keys are plain text and numbers")
    }

    /// Whether every key of `other` is among these.
    pub fn includes(&self, other: &Self) -> bool {
        other.keys.iter().all(|key| self.keys.contains(key))
    }

    /// Reads and checks; the error is what is wrong, without a secret.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        // The parser's own words are kept out: they may quote a secret.
        let file: KeyFile =
            serde_json::from_slice(bytes).map_err(|e| format!("not the expected JSON, line {}", e.line()))?;
        if file.keys.is_empty() {
            return Err("no key in it".to_owned());
        }
        for (index, key) in file.keys.iter().enumerate() {
            let wrong = || Err(format!("key {:?}", key.kid));
            let Ok(pair) = Ed25519KeyPair::from_pkcs8(&key.pkcs8) else {
                return wrong();
            };
            if key.secret.len() < SECRET_LEN || pair.public_key().as_ref() != key.public {
                return wrong();
            }
            if file.keys[..index].iter().any(|before| before.kid == key.kid) {
                return Err(format!("two keys {:?}", key.kid));
            }
        }
        Ok(file)
    }

    /// Writes the keys so that a crash leaves either the old file or the new one.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |doing| {
            move |source| KeyFileError::Io {
                doing,
                path: path.to_owned(),
                source,
            }
        };
        let next = path.with_extension("next");
        // One that a crash left may be open to others; a new one is not.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("replace")(error)),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&next).map_err(io("create"))?;
        file.write_all(self.to_text().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io("write"))?;
        disk::replace(&next, path).map_err(io("replace"))
    }

    /// Signs with a new generation from now on. Older ones go on verifying.
    pub fn rotate(&mut self, now_s: u64) -> Result<(), KeyFileError> {
        self.keys.insert(0, Generation::make(now_s)?);
        self.keys.truncate(KEPT);
        Ok(())
    }

    /// What may be said of the keys, newest first.
    pub fn list(&self) -> Vec<KeyInfo> {
        let info = |(index, key): (usize, &Generation)| KeyInfo {
            kid: key.kid.clone(),
            made_at: key.made_at,
            signs: index == 0,
        };
        self.keys.iter().enumerate().map(info).collect()
    }

    /// The public keys as a JWK set (RFC 7517, RFC 8037), for origins.
    pub fn jwks(&self) -> serde_json::Value {
        let jwk = |key: &Generation| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.kid, "x": URL_SAFE_NO_PAD.encode(&key.public),
            })
        };
        serde_json::json!({ "keys": self.keys.iter().map(jwk).collect::<Vec<_>>() })
    }
}

impl Generation {
    fn make(now_s: u64) -> Result<Self, KeyFileError> {
        let random = SystemRandom::new();
        let (mut secret, mut id) = (vec![0; SECRET_LEN], [0; 6]);
        random
            .fill(&mut secret)
            .and_then(|()| random.fill(&mut id))
            .map_err(|_| KeyFileError::Make)?;
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| KeyFileError::Make)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| KeyFileError::Make)?;
        let public = pair.public_key().as_ref().to_vec();
        let kid = URL_SAFE_NO_PAD.encode(id);
        Ok(Self {
            kid,
            made_at: now_s,
            secret,
            pkcs8: pkcs8.as_ref().to_vec(),
            public,
        })
    }
}

mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| serde::de::Error::custom("not base64url"))
    }
}
