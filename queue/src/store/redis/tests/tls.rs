//! TLS, with an authority of one's own and without.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use redis::Value;

use super::server::{Server, free_port};
use super::store;
use crate::store::redis::error::ConnectError;
use crate::store::redis::link::{Link, Script};

/// A server that speaks only TLS, with a certificate for 127.0.0.1 from an authority in `ca.pem`.
fn server() -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("an authority");
    let issuer = Issuer::from_params(&params, &key);
    let own = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .and_then(|params| params.signed_by(&own, &issuer))
        .expect("a certificate");
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (ca, cert, key) = (
        file("ca.pem", authority.pem()),
        file("cert.pem", certificate.pem()),
        file("key.pem", own.serialize_pem()),
    );
    let port = free_port();
    let args = [
        ("--port", "0"),
        ("--tls-port", &port.to_string()),
        ("--tls-cert-file", &cert),
        ("--tls-key-file", &key),
        ("--tls-ca-cert-file", &ca),
        ("--tls-auth-clients", "no"),
    ];
    let args = args
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect();
    Server::launch(folder, port, args)
}

#[tokio::test]
async fn a_server_is_known_by_its_authority() {
    let server = server();
    let mut store = store(&format!("rediss://127.0.0.1:{}/1", server.port));
    let error = Link::connect(&store)
        .await
        .err()
        .expect("nobody knows this authority");
    assert!(error.to_string().contains("store.tls_ca"), "{error}");
    store.tls_ca = Some(server.folder.path().join("ca.pem"));
    let link = Link::connect(&store)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let answer = link.run(&Script::new("return ARGV[1]"), b"k", &[b"x"]).await;
    assert_eq!(answer, Ok(Value::BulkString(b"x".to_vec())));

    store.url = format!("rediss://localhost:{}", server.port)
        .parse()
        .expect("a URL");
    let error = Link::connect(&store)
        .await
        .err()
        .expect("the certificate is for 127.0.0.1");
    assert!(error.to_string().contains("by a name that"), "{error}");
}

#[tokio::test]
async fn speaking_the_other_way_is_said() {
    let (secret, plain) = (server(), Server::start(&[]));
    let mut store = store(&format!("rediss://127.0.0.1:{}", plain.port));
    store.tls_ca = Some(secret.folder.path().join("ca.pem"));
    let error = Link::connect(&store).await.err().expect("it speaks no TLS");
    assert!(
        error
            .to_string()
            .contains("begin store.url with redis, not rediss"),
        "{error}"
    );
    let url = format!("redis://127.0.0.1:{}", secret.port);
    let error = Link::connect(&super::store(&url))
        .await
        .err()
        .expect("it speaks only TLS");
    assert!(
        error.to_string().contains("begin store.url with rediss"),
        "{error}"
    );
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = store("rediss://127.0.0.1:1");
    store.tls_ca = Some(folder.path().join("none.pem"));
    assert!(matches!(Link::new(&store), Err(ConnectError::TlsCa { .. })));
    let garbage = folder.path().join("garbage.pem");
    std::fs::write(
        &garbage,
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
    )
    .expect("a file");
    store.tls_ca = Some(garbage);
    let error = Link::new(&store).err().expect("it is no certificate");
    assert!(error.to_string().contains("garbage.pem"), "{error}");
}
