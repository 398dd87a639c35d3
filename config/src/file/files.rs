//! Looks at the files a configuration names: that they are there, not too large, and what they claim to be.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::limits;
use crate::problems::{Wrong, quoted};

/// A file named in the configuration, looked up from the configuration's folder.
struct Found {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn find(base_dir: &Path, text: &str, bytes_max: u64) -> Result<Found, Wrong> {
    let path = base_dir.join(text);
    if text.is_empty() {
        return Err(Wrong::new(
            "is empty",
            "write the path of a file, or leave the key out",
        ));
    }
    let wrong = |what: String| {
        let remedy = format!(
            "write the path of a file; relative ones are looked up from {}",
            base_dir.display()
        );
        Err(Wrong::new(format!("{} {what}", quoted(text)), remedy))
    };
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return wrong("does not exist".into()),
        Err(error) => return wrong(format!("cannot be read: {error}")),
        Ok(about) if !about.is_file() => return wrong("is no file".into()),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return wrong(format!("cannot be read: {error}"));
    }
    if bytes.len() as u64 > bytes_max {
        let message = format!("{} is larger than {bytes_max} bytes", quoted(text));
        return Err(Wrong::new(
            message,
            format!("make it smaller: at most {bytes_max} bytes"),
        ));
    }
    Ok(Found { path, bytes })
}

/// A page's logo: an SVG, PNG or WebP that is what its name says.
pub(crate) fn logo(base_dir: &Path) -> impl FnOnce(&str) -> Result<PathBuf, Wrong> {
    move |text| {
        let extension = Path::new(text)
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !matches!(extension.as_str(), "svg" | "png" | "webp") {
            let message = format!("{} is no image that can be shown", quoted(text));
            return Err(Wrong::new(
                message,
                "write the path of an .svg, .png or .webp file",
            ));
        }
        let Found { path, bytes } = find(base_dir, text, limits::LOGO_BYTES_MAX)?;
        let is_so = match extension.as_str() {
            "svg" => std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg")),
            "png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            _ => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        };
        if is_so {
            return Ok(path);
        }
        let message = format!("{} is not what its name says", quoted(text));
        Err(Wrong::new(
            message,
            format!("write the path of a file that is {extension} inside"),
        ))
    }
}

/// A template: text.
pub(crate) fn template(base_dir: &Path) -> impl FnOnce(&str) -> Result<PathBuf, Wrong> {
    move |text| {
        let Found { path, bytes } = find(base_dir, text, limits::TEMPLATE_BYTES_MAX)?;
        if std::str::from_utf8(&bytes).is_err() {
            return Err(Wrong::new(
                format!("{} is not UTF-8", quoted(text)),
                "save the template as UTF-8 text",
            ));
        }
        Ok(path)
    }
}

/// A PEM file holding at least one block whose label ends in `label` (`CERTIFICATE`, `PRIVATE KEY`).
pub(crate) fn pem(base_dir: &Path, label: &'static str) -> impl FnOnce(&str) -> Result<PathBuf, Wrong> {
    move |text| {
        let Found { path, bytes } = find(base_dir, text, limits::PEM_BYTES_MAX)?;
        let contents = String::from_utf8_lossy(&bytes);
        let has = |wanted: &str| {
            let mut labels = contents
                .lines()
                .filter_map(|line| line.trim().strip_prefix("-----BEGIN "));
            labels.any(|rest| {
                rest.strip_suffix("-----")
                    .is_some_and(|found| found.ends_with(wanted))
            })
        };
        if has(label) {
            return Ok(path);
        }
        let remedy = match label {
            "CERTIFICATE" if has("PRIVATE KEY") => {
                "this is the key; write the certificate chain here".to_owned()
            }
            "PRIVATE KEY" if has("CERTIFICATE") => {
                "this is the certificate; write its private key here".to_owned()
            }
            _ => format!("write the path of a PEM file with a -----BEGIN {label}----- block in it"),
        };
        Err(Wrong::new(
            format!("{} has no {} in it", quoted(text), label.to_lowercase()),
            remedy,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).expect("a file for the test");
        }
        folder
    }

    #[test]
    fn logos_are_small_images() {
        let big = vec![b' '; 8 * 1024 + 1];
        let folder = folder_with(&[
            ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            ("b.png", b"not a png"),
            ("c.webp", b"RIFF\0\0\0\0WEBPVP8 "),
            ("big.svg", &big),
        ]);
        let read = |name: &str| logo(folder.path())(name);
        assert_eq!(read("a.svg"), Ok(folder.path().join("a.svg")));
        assert!(read("c.webp").is_ok());
        assert!(read("b.png").is_err_and(|wrong| wrong.message.contains("not what its name says")));
        assert!(read("big.svg").is_err_and(|wrong| wrong.remedy.contains("at most 8192 bytes")));
        assert!(read("a.gif").is_err_and(|wrong| wrong.remedy.contains(".webp")));
        assert!(read("none.png").is_err_and(|wrong| wrong.message.contains("does not exist")));
        assert!(template(folder.path())(".").is_err_and(|wrong| wrong.message.contains("is no file")));
    }

    #[test]
    fn a_key_is_not_a_certificate() {
        let folder = folder_with(&[
            (
                "cert.pem",
                b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
            ),
            (
                "key.pem",
                b"-----BEGIN EC PRIVATE KEY-----\r\nMII\r\n-----END EC PRIVATE KEY-----\r\n",
            ),
            ("none.pem", b"hello"),
        ]);
        let cert = |name: &str| pem(folder.path(), "CERTIFICATE")(name);
        let key = |name: &str| pem(folder.path(), "PRIVATE KEY")(name);
        assert!(cert("cert.pem").is_ok() && key("key.pem").is_ok());
        assert!(cert("key.pem").is_err_and(|wrong| wrong.remedy.contains("this is the key")));
        assert!(key("cert.pem").is_err_and(|wrong| wrong.remedy.contains("this is the certificate")));
        assert!(key("none.pem").is_err_and(|wrong| wrong.remedy.contains("BEGIN PRIVATE KEY")));
    }
}
