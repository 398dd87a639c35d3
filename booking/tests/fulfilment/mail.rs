//! Mail against a real SMTP server (aiosmtpd, in a process of its own), and as files; read back by Python's parser.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_booking::mail::{
    Attachment, AttachmentKind, Delivery, Mail, MailConfig, MailError, Mailer, SEND_WITHIN,
};
use tokio::net::TcpListener;

use crate::mail_sink::{Certificate, Read, Sink};

fn config(smtp_url: Option<String>) -> MailConfig {
    MailConfig {
        smtp_url,
        folder: "unused".into(),
        from: "Tidegate Łódź <tickets@example.com>".to_owned(),
        trust_pem: None,
        send_within: SEND_WITHIN,
    }
}

fn mailer(smtp_url: Option<String>) -> Mailer {
    Mailer::new(&config(smtp_url)).unwrap()
}

fn mail(key: &str) -> Mail {
    Mail {
        key: key.parse().unwrap(),
        to: "zaneta@example.net".to_owned(),
        to_name: "Żaneta Őrsi".to_owned(),
        written_at: "2026-05-01T10:00:00Z".parse().unwrap(),
        subject: "Your tickets for R.U.R., Čapek".to_owned(),
        text: "Here they are.\n\n.\n.leading dots and a long line: ".to_owned()
            + &"žluťoučký kůň ".repeat(90)
            + "\n",
        html: "<p>Here they are: Łódź &amp; co.</p>\n".to_owned(),
        attachments: vec![
            Attachment {
                name: "tickets.pdf".to_owned(),
                kind: AttachmentKind::Pdf,
                bytes: (0..20_000_u32).map(|n| (n * n % 251) as u8).collect(),
            },
            Attachment {
                name: "showtime.ics".to_owned(),
                kind: AttachmentKind::Calendar,
                bytes: "BEGIN:VCALENDAR\r\nSUMMARY:Łódź\r\nEND:VCALENDAR\r\n".into(),
            },
        ],
    }
}

/// What arrived is what was sent.
fn same(bytes: &[u8], sent: &Mail) {
    let read = Read::new(bytes);
    assert_eq!(
        read.headers("message-id"),
        [format!("<{}@example.com>", sent.key)]
    );
    assert_eq!(read.headers("subject"), [sent.subject.as_str()]);
    assert_eq!(read.headers("from"), ["Tidegate Łódź <tickets@example.com>"]);
    assert_eq!(read.headers("to"), ["Żaneta Őrsi <zaneta@example.net>"]);
    assert_eq!(read.headers("date"), ["Fri, 01 May 2026 10:00:00 +0000"]);
    assert_eq!(read.headers("auto-submitted"), ["auto-generated"]);
    assert_eq!(read.text("text/plain"), sent.text);
    assert_eq!(read.text("text/html"), sent.html);
    assert_eq!(
        read.multiparts(),
        &serde_json::json!(["multipart/mixed", "multipart/alternative"])
    );
    let parts = read.parts();
    let kinds: Vec<_> = parts
        .iter()
        .map(|(kind, file, _)| (kind.as_str(), file.as_deref()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("text/plain", None),
            ("text/html", None),
            ("application/pdf", Some("tickets.pdf")),
            ("text/calendar", Some("showtime.ics")),
        ]
    );
    for (part, attachment) in parts[2..].iter().zip(&sent.attachments) {
        assert_eq!(part.2, attachment.bytes, "{}", attachment.name);
    }
}

fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_mail_arrives_whole_and_is_the_same_on_every_try() {
    let mut sink = Sink::start(&[]).await;
    let mailer = mailer(sink.url("smtp", "", ""));
    let sent = mail("tickets-7f3k");
    let mut bytes = Vec::new();
    for _ in 0..2 {
        assert_eq!(mailer.send(&sent).await.unwrap(), Delivery::Sent);
        let taken = sink.mail().await;
        assert_eq!(
            (taken.from.as_str(), taken.to.as_slice()),
            ("tickets@example.com", &["zaneta@example.net".to_owned()][..])
        );
        assert_eq!((taken.tls, taken.login), (false, None));
        assert_eq!(
            taken.connections_total, 1,
            "the second goes over the same connection"
        );
        same(&taken.bytes, &sent);
        bytes.push(taken.bytes);
    }
    assert_eq!(bytes[0], bytes[1]);
    assert!(mailer.destination().contains(&sink.port.to_string()));
}

#[tokio::test]
async fn starttls_is_taken_where_it_is_offered_and_carries_the_login() {
    let certificate = Certificate::new();
    let args = certificate.args();
    let mut sink = Sink::start(&[&strs(&args)[..], &["--login", "shop:s3cret/@"]].concat()).await;
    let trusting = |url| MailConfig {
        trust_pem: Some(certificate.authority.clone()),
        ..config(url)
    };
    let right = Mailer::new(&trusting(sink.url("smtp", "shop:s3cret%2F%40@", ""))).unwrap();
    assert!(!right.destination().contains("s3cret"));
    right.send(&mail("a")).await.unwrap();
    let taken = sink.mail().await;
    assert_eq!((taken.tls, taken.login.as_deref()), (true, Some("shop")));
    same(&taken.bytes, &mail("a"));

    // The mail is not to blame for a wrong or missing login, so it must be kept.
    for login in ["shop:wrong@", ""] {
        let wrong = Mailer::new(&trusting(sink.url("smtp", login, ""))).unwrap();
        let error = wrong.send(&mail("b")).await.unwrap_err();
        assert!(
            matches!(error, MailError::Login { .. }) && !error.is_permanent(),
            "{login}: {error:?}"
        );
        assert!(
            error.to_string().contains("smtp_url") && !error.to_string().contains("wrong"),
            "{error}"
        );
    }

    let distrusting = mailer(sink.url("smtp", "shop:s3cret%2F%40@", ""));
    let error = distrusting.send(&mail("c")).await.unwrap_err();
    assert!(
        matches!(
            error,
            MailError::Connection {
                doing: "turning to TLS",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.is_permanent());

    // Neither of them got through.
    right.send(&mail("d")).await.unwrap();
    same(&sink.mail().await.bytes, &mail("d"));
}

#[tokio::test]
async fn starttls_without_a_login_is_taken_where_it_is_offered() {
    let certificate = Certificate::new();
    let args = certificate.args();
    let mut sink = Sink::start(&strs(&args)).await;
    for (rest, tls) in [
        ("", true),
        ("?tls=offered", true),
        ("?tls=required", true),
        ("?tls=never", false),
    ] {
        let trust_pem = Some(certificate.authority.clone());
        let mailer = Mailer::new(&MailConfig {
            trust_pem,
            ..config(sink.url("smtp", "", rest))
        })
        .unwrap();
        mailer.send(&mail("a")).await.unwrap();
        assert_eq!(sink.mail().await.tls, tls, "{rest}");
    }
}

#[tokio::test]
async fn smtps_is_encrypted_from_the_start() {
    let certificate = Certificate::new();
    let args = certificate.args();
    let mut sink = Sink::start(&[&strs(&args)[..], &["--smtps", "--login", "shop:pw"]].concat()).await;
    let trust_pem = Some(certificate.authority.clone());
    let mailer = Mailer::new(&MailConfig {
        trust_pem,
        ..config(sink.url("smtps", "shop:pw@", ""))
    })
    .unwrap();
    mailer.send(&mail("a")).await.unwrap();
    let taken = sink.mail().await;
    assert_eq!((taken.tls, taken.login.as_deref()), (true, Some("shop")));
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear() {
    let sink = Sink::start(&[]).await;
    for (login, rest) in [("shop:pw@", ""), ("", "?tls=required")] {
        let error = mailer(sink.url("smtp", login, rest))
            .send(&mail("a"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, MailError::NoTls) && !error.is_permanent(),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (reply, code, permanent) in [
        ("RCPT=450 4.2.1 <zaneta@example.net> is busy", 450, false),
        ("RCPT=550 5.1.1 <zaneta@example.net> unknown", 550, true),
        ("DATA=451 4.3.0 try again", 451, false),
        ("DATA=554 5.6.0 never", 554, true),
    ] {
        let sink = Sink::start(&["--reply", reply]).await;
        let error = mailer(sink.url("smtp", "", ""))
            .send(&mail("a"))
            .await
            .unwrap_err();
        let found = match &error {
            MailError::Refused { code, .. } => (*code, true),
            MailError::PutOff { code, .. } => (*code, false),
            other => panic!("{reply}: {other:?}"),
        };
        assert_eq!(
            (found, error.is_permanent()),
            ((code, permanent), permanent),
            "{reply}"
        );
        let said = error.to_string();
        assert!(
            said.contains(&code.to_string()) && !said.contains("zaneta"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_deadline_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let within = Duration::from_secs(1);
    let mailer = Mailer::new(&MailConfig {
        send_within: within,
        ..config(Some(url.clone()))
    })
    .unwrap();
    let began = Instant::now();
    let error = mailer.send(&mail("a")).await.unwrap_err();
    assert!(
        matches!(error, MailError::Deadline(1)) && !error.is_permanent(),
        "{error:?}"
    );
    assert!(
        (within..within * 8).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );

    drop(silent);
    let error = mailer.send(&mail("a")).await.unwrap_err();
    assert!(
        matches!(error, MailError::Connection { .. }) && !error.is_permanent(),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_conversation_that_was_broken_off_is_not_taken_up_again() {
    let mut sink = Sink::start(&["--stall-first"]).await;
    let send_within = Duration::from_secs(2);
    let mailer = Mailer::new(&MailConfig {
        send_within,
        ..config(sink.url("smtp", "", ""))
    })
    .unwrap();
    let error = mailer.send(&mail("first")).await.unwrap_err();
    assert!(matches!(error, MailError::Deadline(2)), "{error:?}");
    let patient = Mailer::new(&config(sink.url("smtp", "", ""))).unwrap();
    patient.send(&mail("other")).await.unwrap();
    same(&sink.mail().await.bytes, &mail("other"));
    // A busy machine may need more than the short deadline; what must never happen is a mail inside another.
    let mut sent = mailer.send(&mail("second")).await;
    for _ in 0..10 {
        if sent.is_err() {
            sent = mailer.send(&mail("second")).await;
        }
    }
    sent.unwrap();
    same(&sink.mail().await.bytes, &mail("second"));
}

#[tokio::test]
async fn connections_are_few_and_used_again() {
    let mut sink = Sink::start(&[]).await;
    let mailer = Arc::new(mailer(sink.url("smtp", "", "")));
    let sending: Vec<_> = (0..24)
        .map(|n| {
            let mailer = Arc::clone(&mailer);
            tokio::spawn(async move { mailer.send(&mail(&format!("m-{n}"))).await })
        })
        .collect();
    for sent in sending {
        sent.await.unwrap().unwrap();
    }
    let mut keys = Vec::new();
    let mut seen = (0, 0);
    for _ in 0..24 {
        let taken = sink.mail().await;
        seen = (taken.connections_peak, taken.connections_total);
        keys.push(Read::new(&taken.bytes).headers("message-id")[0].to_owned());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 24);
    assert!(
        seen.0 <= 4 && seen.1 <= 4,
        "peak and total of connections: {seen:?}"
    );
}

#[tokio::test]
async fn no_field_can_add_a_header_or_a_reader() {
    let mut sink = Sink::start(&[]).await;
    let mailer = mailer(sink.url("smtp", "", ""));
    let evil = "x\r\nBcc: spy@example.org\r\nX-Evil: 1\r\n\r\n<script>\u{2028}Evil: 2\rEvil: 3\nEvil: 4";
    let mut hostile = mail("a");
    hostile.subject = evil.to_owned();
    hostile.to_name = format!("{evil} \" <spy@example.org>, ");
    hostile.attachments[0].name = format!("../..//{evil}\"; filename=\"evil.exe");
    hostile.text = format!("{evil}\r\n.\r\nMAIL FROM:<spy@example.org>\r\n--tidegate-inner-0\r\n");
    mailer.send(&hostile).await.unwrap();
    let taken = sink.mail().await;
    assert_eq!(taken.to, ["zaneta@example.net"]);
    let read = Read::new(&taken.bytes);
    let expected = [
        "Auto-Submitted",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ];
    assert_eq!(read.header_names(), expected);
    assert_eq!(read.parts().len(), 4);
    let file = read.parts()[2].1.clone().unwrap();
    assert!(
        file.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
        "{file}"
    );
    assert!(read.text("text/plain").contains("MAIL FROM:<spy@example.org>"));

    for to in [
        "",
        "zaneta",
        "a@b.cz\r\nRCPT TO:<spy@example.org>",
        "a@b.cz, spy@example.org",
        "<a@b.cz>",
        "a @b.cz",
    ] {
        let mut nowhere = mail("b");
        nowhere.to = to.to_owned();
        let error = mailer.send(&nowhere).await.unwrap_err();
        assert!(
            matches!(error, MailError::BadAddress) && error.is_permanent(),
            "{to:?}: {error:?}"
        );
    }
    // The server cannot spell it (no SMTPUTF8): that address will not do tomorrow either.
    let mut foreign = mail("c");
    foreign.to = "žaneta@example.net".to_owned();
    let error = mailer.send(&foreign).await.unwrap_err();
    assert!(matches!(error, MailError::BadAddress), "{error:?}");

    let mut huge = mail("d");
    huge.attachments[0].bytes = vec![7; 11 << 20];
    let error = mailer.send(&huge).await.unwrap_err();
    assert!(
        matches!(error, MailError::TooLarge { .. }) && error.is_permanent(),
        "{error:?}"
    );
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn without_a_server_each_mail_is_one_file() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("mail/out");
    for url in [None, Some(String::new())] {
        let mailer = Mailer::new(&MailConfig {
            folder: folder.clone(),
            ..config(url)
        })
        .unwrap();
        assert!(mailer.destination().contains(folder.to_str().unwrap()));
        let written = mailer.send(&mail("tickets-7f3k")).await.unwrap();
        assert_eq!(written, Delivery::Written(folder.join("tickets-7f3k.eml")));
        same(
            &std::fs::read(folder.join("tickets-7f3k.eml")).unwrap(),
            &mail("tickets-7f3k"),
        );
    }
    let mailer = Arc::new(
        Mailer::new(&MailConfig {
            folder: folder.clone(),
            ..config(None)
        })
        .unwrap(),
    );
    let writing: Vec<_> = (0..16)
        .map(|n| {
            let mailer = Arc::clone(&mailer);
            // Each of four mails, four times at once.
            tokio::spawn(async move { mailer.send(&mail(&format!("m-{}", n % 4))).await })
        })
        .collect();
    for written in writing {
        written.await.unwrap().unwrap();
    }
    assert_eq!(
        names(&folder),
        ["m-0.eml", "m-1.eml", "m-2.eml", "m-3.eml", "tickets-7f3k.eml"]
    );
    same(&std::fs::read(folder.join("m-3.eml")).unwrap(), &mail("m-3"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("m-0.eml"))), (0o700, 0o600));
    }

    std::fs::write(data.path().join("plain"), "").unwrap();
    let nowhere = Mailer::new(&MailConfig {
        folder: data.path().join("plain/mail"),
        ..config(None)
    })
    .unwrap();
    let error = nowhere.send(&mail("a")).await.unwrap_err();
    assert!(
        matches!(error, MailError::Folder { .. }) && !error.is_permanent(),
        "{error:?}"
    );
    assert!(error.to_string().contains("plain/mail"), "{error}");
}
