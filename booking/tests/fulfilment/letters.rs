//! What fans are written: each letter says the same as text and as HTML, whatever stands in it.

use std::path::Path;

use jiff::tz::TimeZone;
use tidegate_booking::mail::{
    EventCancelled, Letter, Mail, MailConfig, Mailer, NotCharged, PaidTwice, PasswordReset, Refunded,
    SEND_WITHIN, Show, Site, TicketReceived, TicketSent, TicketsIssued,
};

use crate::mail_sink::Read;

fn site() -> Site {
    Site {
        name: "Tidegate".to_owned(),
        url: "https://tickets.example.com".to_owned(),
    }
}

fn letters(name: &str) -> Vec<Letter> {
    let show = Show {
        title: format!("R.U.R. {name}"),
        venue: "Teatr Wielki".to_owned(),
        city: "Łódź".to_owned(),
        starts_at: "2026-06-12T17:30:00Z".parse().unwrap(),
        time_zone: TimeZone::get("Europe/Warsaw").unwrap(),
    };
    let seats = vec!["Parter Ł-112".to_owned(), format!("Parter {name}")];
    let order = "7F3K-2P9Q".to_owned();
    let amount = "€45".to_owned();
    let url = "https://tickets.example.com/orders/7F3K-2P9Q?a=1&b=2".to_owned();
    let (show, seats, order, amount, url) = (
        || show.clone(),
        || seats.clone(),
        || order.clone(),
        || amount.clone(),
        || url.clone(),
    );
    vec![
        TicketsIssued {
            show: show(),
            seats: seats(),
            order: order(),
            total: amount(),
            order_url: url(),
        }
        .into(),
        NotCharged {
            show: show(),
            seats: seats(),
            order: order(),
            total: amount(),
            showtime_url: url(),
            reason: "The payment was declined.".to_owned(),
        }
        .into(),
        Refunded {
            show: show(),
            seats: seats(),
            order: order(),
            amount: amount(),
            order_url: url(),
        }
        .into(),
        EventCancelled {
            show: show(),
            order: order(),
            amount: amount(),
            order_url: url(),
        }
        .into(),
        PasswordReset {
            username: name.to_owned(),
            reset_url: url(),
            valid_for: "30 minutes".to_owned(),
        }
        .into(),
        TicketSent {
            show: show(),
            seat: "Ł-112".to_owned(),
            to: name.to_owned(),
            order_url: url(),
        }
        .into(),
        TicketReceived {
            show: show(),
            seat: "Ł-112".to_owned(),
            from: name.to_owned(),
            ticket_url: url(),
        }
        .into(),
        PaidTwice {
            show: show(),
            order: order(),
            amount: amount(),
            order_url: url(),
        }
        .into(),
    ]
}

/// With `TIDEGATE_LOOK` naming a folder, the letters are put there to be looked at.
#[tokio::test]
async fn every_letter_says_the_same_as_text_and_as_html() {
    let hostile = "<script>alert(1)</script> & \"Ada\" 'Łada'";
    let data = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(&MailConfig {
        smtp_url: None,
        folder: data.path().to_owned(),
        from: "tickets@example.com".to_owned(),
        trust_pem: None,
        send_within: SEND_WITHIN,
    })
    .unwrap();
    for (at, letter) in letters(hostile).into_iter().enumerate() {
        let rendered = letter.render(&site()).unwrap();
        let (text, html) = (&rendered.text, &rendered.html);
        assert!(
            !html.contains("<script") && !text.contains("&lt;") && !text.contains("&amp;"),
            "{html}\n{text}"
        );
        assert!(!text.contains("\n\n\n") && !text.contains("{"), "{text}");
        let unescaped = html
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#38;", "&");
        let mut said = letter.paragraphs.clone();
        said.push(letter.heading.clone());
        said.extend(letter.note.clone());
        said.extend(letter.facts.iter().map(|fact| fact.value.clone()));
        said.extend(letter.link.iter().map(|link| link.url.clone()));
        if let Some(show) = &letter.show {
            said.extend([
                show.title.clone(),
                "Friday, 12 June 2026, 19:30 CEST".to_owned(),
                "Teatr Wielki, Łódź".to_owned(),
            ]);
        }
        for words in said {
            assert!(text.contains(&words), "the text lacks {words:?}:\n{text}");
            assert!(unescaped.contains(&words), "the HTML lacks {words:?}:\n{html}");
        }
        assert!(
            !html.contains("http:") && !html.contains("src="),
            "nothing comes from elsewhere: {html}"
        );

        let sent = Mail {
            key: format!("letter-{at}").parse().unwrap(),
            to: "zaneta@example.net".to_owned(),
            to_name: "Żaneta Őrsi".to_owned(),
            written_at: "2026-05-01T10:00:00Z".parse().unwrap(),
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
            attachments: Vec::new(),
        };
        mailer.send(&sent).await.unwrap();
        let read = Read::new(&std::fs::read(data.path().join(format!("letter-{at}.eml"))).unwrap());
        assert_eq!(read.text("text/plain"), sent.text);
        assert_eq!(read.text("text/html"), sent.html);
        assert_eq!(
            read.headers("subject"),
            [sent.subject.chars().take(150).collect::<String>().as_str()]
        );
    }
    if let Some(folder) = std::env::var_os("TIDEGATE_LOOK") {
        for (at, letter) in letters("Ada Nováková").iter().enumerate() {
            let rendered = letter.render(&site()).unwrap();
            std::fs::write(Path::new(&folder).join(format!("{at}.html")), rendered.html).unwrap();
            std::fs::write(Path::new(&folder).join(format!("{at}.txt")), rendered.text).unwrap();
        }
    }
}
