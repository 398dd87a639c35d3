//! An origin that answers everything and remembers what reached it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request as the origin saw it: the request line and the header lines.
pub type Seen = Vec<String>;

pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    extra: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
}

impl Origin {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (seen, extra, stop) = (
            Arc::default(),
            Arc::new(Mutex::new(String::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let origin = Self {
            address,
            seen,
            extra,
            stop,
        };
        let (seen, extra, stop) = (origin.seen.clone(), origin.extra.clone(), origin.stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, extra) = (seen.clone(), extra.clone());
                std::thread::spawn(move || serve(stream, &seen, &extra));
            }
        });
        origin
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panicked").clone()
    }

    /// The last request, in lower case.
    pub fn seen_last(&self) -> String {
        let last = self.seen().pop().expect("a request");
        last.join("\n").to_ascii_lowercase()
    }

    /// Header lines added to every answer from now on, each ended with CR LF.
    pub fn answer_with(&self, lines: &str) {
        *self.extra.lock().expect("nobody panicked") = lines.to_owned();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Seen>>, extra: &Mutex<String>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    loop {
        let mut lines = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            lines.push(line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        seen.lock().expect("nobody panicked").push(lines);
        let extra = extra.lock().expect("nobody panicked").clone();
        let page = "<!doctype html><title>The shop</title><h1>Welcome to the shop</h1>";
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{extra}\r\n{page}",
            page.len()
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
