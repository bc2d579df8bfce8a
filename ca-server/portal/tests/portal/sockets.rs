//! Clients that hang, abort or say nothing.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

use crate::{browser::Browser, site::Site};

#[tokio::test]
async fn silent_connections_give_their_place_back() {
    let site = Site::new().await;
    site.write_config("connections_max = 4\nidle_timeout_ms = 300\nhandshake_timeout_ms = 300");
    let address = site.run().await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let begun = Instant::now();
    assert_eq!(site.unit(|_| {}).get(address, "/", &[]).await.status, StatusCode::OK);
    assert!(begun.elapsed() >= Duration::from_millis(200), "every place was taken");
    for mut stream in silent {
        let mut octet = [0; 1];
        assert!(matches!(stream.read(&mut octet).await, Ok(0) | Err(_)), "closed by the portal");
    }
}

#[tokio::test]
async fn a_connection_kept_without_requests_ends() {
    let site = Site::new().await;
    site.write_config("idle_timeout_ms = 300");
    let address = site.run().await;
    let mut connection = site.unit(|_| {}).connect(address).await;
    assert_eq!(connection.get("/", &[]).await.status, StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert!(connection.try_get("/", &[]).await.is_err());
}

#[tokio::test]
async fn rubbish_and_aborts_disturb_nobody() {
    let site = Site::new().await;
    site.write_config("connections_max = 4");
    let address = site.run().await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        drop(stream);
    }
    let mut slow = Browser::new(&site.root.der, None).connect(address).await;
    assert_eq!(site.unit(|_| {}).get(address, "/", &[]).await.status, StatusCode::OK);
    assert_eq!(slow.get("/healthz", &[]).await.status, StatusCode::OK);
}
