//! Tokens from blank to signing, on SoftHSM2.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hsm::{
    CertificateObject, Class, Error, Input, KeyAlgorithm, KeyAttributes, KeyId, Module, Pin, PinState,
    PublicKey, SoPin, TokenSerial,
    testing::{SoftHsm, in_softhsm},
};
use ring::{digest, hmac, signature};

fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

fn so_pin(text: &str) -> SoPin {
    SoPin::new(text.to_owned()).unwrap()
}

fn sha256(message: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, message).as_ref().try_into().unwrap()
}

#[test]
fn a_module_that_is_not_there_says_which() {
    let error = Module::load("/nowhere/pkcs11.so").unwrap_err();
    assert!(matches!(&error, Error::ModuleLoad { path, .. } if path.ends_with("pkcs11.so")), "{error}");
    assert_eq!(error.class(), Class::Permanent);
}

#[test]
fn from_blank_to_signing() {
    in_softhsm("from_blank_to_signing", |softhsm| {
        let module = softhsm.module();
        assert_eq!(module.info().unwrap().manufacturer, "SoftHSM");
        let before = module.tokens().unwrap();
        assert_eq!(before.len(), 1);
        assert!(!before[0].initialised && before[0].serial.as_str().is_empty());

        let blank = module.token(&TokenSerial::new("")).unwrap();
        let token = blank.init(&so_pin("factory-so"), "南京签印 1").unwrap();
        let info = token.info().unwrap();
        assert!(info.initialised && !info.user_pin_initialised && !info.serial.as_str().is_empty());
        assert_eq!(info.label, "南京签印 1");
        assert!(matches!(token.session(&pin("123456")), Err(Error::NotInitialised { .. })));

        let so = token.so_session(&so_pin("factory-so")).unwrap();
        so.change_so_pin(&so_pin("factory-so"), &so_pin("derived-so")).unwrap();
        so.init_user_pin(&pin("123456")).unwrap();
        drop(so);
        assert!(matches!(token.so_session(&so_pin("factory-so")), Err(Error::PinIncorrect { .. })));
        assert!(token.info().unwrap().user_pin_initialised);

        let session = token.session(&pin("123456")).unwrap();
        session.change_pin(&pin("123456"), &pin("271828")).unwrap();
        drop(session);
        assert!(matches!(token.session(&pin("123456")), Err(Error::PinIncorrect { .. })));
        assert_eq!(token.session(&pin("271828")).unwrap().token(), token.serial());
        assert_eq!(module.token_named("南京签印 1").unwrap().serial(), token.serial());
        assert_eq!(module.token_named(token.serial().as_str()).unwrap().serial(), token.serial());
    });
}

#[test]
fn initialising_again_needs_the_so_pin_and_keeps_the_serial_number() {
    in_softhsm("initialising_again_needs_the_so_pin_and_keeps_the_serial_number", |softhsm| {
        let token = softhsm.init_token("first", "so-pin-1", "123456");
        assert!(matches!(token.init(&so_pin("so-pin-2"), "second"), Err(Error::PinIncorrect { .. })));
        assert_eq!(token.info().unwrap().label, "first");
        let session = token.session(&pin("123456")).unwrap();
        assert!(matches!(token.init(&so_pin("so-pin-1"), "second"), Err(Error::TokenBusy { .. })));
        drop(session);
        let again = token.init(&so_pin("so-pin-1"), "second").unwrap();
        assert_eq!(again.serial(), token.serial());
        assert!(!again.info().unwrap().user_pin_initialised);
        assert!(matches!(again.init(&so_pin("so-pin-1"), &"南".repeat(11)), Err(Error::Label { .. })));
    });
}

#[test]
fn a_wrong_pin_is_tried_once_and_the_state_is_told() {
    in_softhsm("a_wrong_pin_is_tried_once_and_the_state_is_told", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        assert_eq!(token.info().unwrap().pin, PinState::Ok);
        let error = token.session(&pin("654321")).err().unwrap();
        assert!(matches!(error, Error::PinIncorrect { state: PinState::CountLow, .. }), "{error}");
        assert_eq!(error.class(), Class::AskPerson);
        assert!(!error.to_string().contains("654321"));
        assert_eq!(token.info().unwrap().pin, PinState::CountLow);
        // A wrong PIN does not keep the token busy, and the right one is still right.
        token.session(&pin("123456")).unwrap();
        assert_eq!(token.info().unwrap().pin, PinState::Ok);
    });
}

#[test]
fn names_that_fit_no_token_or_two() {
    in_softhsm("names_that_fit_no_token_or_two", |softhsm| {
        let first = softhsm.init_token("twin", "so-pin-1", "123456");
        let second = softhsm.init_token("twin", "so-pin-1", "123456");
        assert_ne!(first.serial(), second.serial());
        let module = softhsm.module();
        assert!(matches!(module.token_named("twin"), Err(Error::TokenAmbiguous { count: 2, .. })));
        assert!(matches!(module.token_named("nobody"), Err(Error::TokenAbsent { name }) if name == "nobody"));
        assert!(matches!(module.token(&TokenSerial::new("0000")), Err(Error::TokenAbsent { .. })));
        assert_eq!(module.token_named(second.serial().as_str()).unwrap().serial(), second.serial());
    });
}

#[test]
fn one_login_at_a_time() {
    in_softhsm("one_login_at_a_time", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let session = token.session(&pin("123456")).unwrap();
        // Without an owner the second login would succeed with any PIN, and its logout would end the first.
        assert!(matches!(token.session(&pin("wrong!")), Err(Error::TokenBusy { .. })));
        drop(session);
        token.session(&pin("123456")).unwrap();
    });
}

#[test]
fn keys_are_born_on_the_token_and_stay_there() {
    in_softhsm("keys_are_born_on_the_token_and_stay_there", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let session = token.session(&pin("123456")).unwrap();
        let kinds =
            [KeyAlgorithm::EcP256, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072];
        let mut made = Vec::new();
        for (number, algorithm) in (1..).zip(kinds) {
            let id = KeyId::new(&[number; 16]).unwrap();
            assert!(session.find_key(&id).unwrap().is_none());
            let key = session.generate_key_pair(algorithm, &id, &format!("key {number}")).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert!(matches!(
                session.generate_key_pair(algorithm, &id, "again"),
                Err(Error::KeyExists { .. })
            ));
            let expected = KeyAttributes {
                local: true,
                sensitive: true,
                always_sensitive: true,
                extractable: false,
                never_extractable: true,
            };
            assert_eq!(session.attributes(&key).unwrap(), expected, "{algorithm}");
            made.push((id, key));
        }
        drop(session);

        let session = token.session(&pin("123456")).unwrap();
        let message = b"to be signed";
        for (number, (id, key)) in (1..).zip(&made) {
            assert_eq!(session.find_key(id).unwrap().as_ref(), Some(key));
            assert_eq!(session.key_by_label(&format!("key {number}")).unwrap().as_ref(), Some(key));
            match key.public() {
                PublicKey::Ec(point) => {
                    let signed = session.sign(key, Input::Sha256(&sha256(message))).unwrap();
                    let public =
                        signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                    public.verify(message, &signed).unwrap();
                    assert!(matches!(session.sign(key, Input::Message(message)), Err(Error::Input { .. })));
                }
                PublicKey::Ed25519(point) => {
                    let signed = session.sign(key, Input::Message(message)).unwrap();
                    signature::UnparsedPublicKey::new(&signature::ED25519, point)
                        .verify(message, &signed)
                        .unwrap();
                }
                PublicKey::Rsa { n, e } => {
                    let public = signature::RsaPublicKeyComponents { n, e };
                    let signed = session.sign(key, Input::Message(message)).unwrap();
                    public.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, &signed).unwrap();
                    let signed = session.sign(key, Input::MessagePss(message)).unwrap();
                    public.verify(&signature::RSA_PSS_2048_8192_SHA256, message, &signed).unwrap();
                    assert!(matches!(
                        session.sign(key, Input::Sha256(&sha256(message))),
                        Err(Error::Input { .. })
                    ));
                }
            }
        }
    });
}

#[test]
fn a_secret_key_makes_the_same_tag_again() {
    in_softhsm("a_secret_key_makes_the_same_tag_again", |softhsm| {
        let token = softhsm.init_token("ca", "so-pin-1", "123456");
        let session = token.session(&pin("123456")).unwrap();
        let id = KeyId::new(b"derive").unwrap();
        assert!(matches!(
            session.hmac_sha256("derive", b"x"),
            Err(Error::KeyAbsent { what: "secret key", .. })
        ));
        session.generate_secret("derive", &id).unwrap();
        assert!(matches!(session.generate_secret("derive", &id), Err(Error::KeyExists { .. })));
        let first = session.hmac_sha256("derive", b"token 1").unwrap();
        assert_ne!(first, session.hmac_sha256("derive", b"token 2").unwrap());
        drop(session);
        let session = token.session(&pin("123456")).unwrap();
        assert_eq!(session.hmac_sha256("derive", b"token 1").unwrap(), first);
        // A key of known value cannot be had from outside; at least it is not the empty key.
        let empty = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[]), b"token 1");
        assert_ne!(empty.as_ref(), first);
    });
}

#[test]
fn certificates_come_back_as_written() {
    in_softhsm("certificates_come_back_as_written", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let certificate = CertificateObject {
            cka_id: vec![7; 16],
            label: "南京签印科技有限公司".to_owned(),
            der: vec![0x30, 0x03, 0x02, 0x01, 0x05],
            subject: vec![0x30, 0x00],
            issuer: vec![0x30, 0x00],
            serial: vec![0x02, 0x01, 0x05],
        };
        let second = CertificateObject { der: vec![0x30, 0x03, 0x02, 0x01, 0x06], ..certificate.clone() };
        let session = token.session(&pin("123456")).unwrap();
        for _ in 0..2 {
            session.write_certificate(&certificate).unwrap();
            session.write_certificate(&second).unwrap();
        }
        drop(session);

        // No PIN is needed to read them.
        let mut read = token.certificates().unwrap();
        read.sort_by(|a, b| a.der.cmp(&b.der));
        assert_eq!(read, [certificate.clone(), second.clone()]);

        let id = KeyId::new(&certificate.cka_id).unwrap();
        let session = token.session(&pin("123456")).unwrap();
        for _ in 0..2 {
            session.delete_certificate(&id, &second.der).unwrap();
        }
        assert_eq!(session.certificates().unwrap().as_slice(), std::slice::from_ref(&certificate));
        session.generate_key_pair(KeyAlgorithm::EcP256, &id, "attempt").unwrap();
        let mut classes: Vec<_> =
            session.objects(&id).unwrap().into_iter().map(|object| object.class).collect();
        classes.sort();
        assert_eq!(classes, ["CKO_CERTIFICATE", "CKO_PRIVATE_KEY", "CKO_PUBLIC_KEY"]);
        assert_eq!(session.delete_objects(&id).unwrap(), 3);
        assert_eq!(session.delete_objects(&id).unwrap(), 0);
        assert!(session.find_key(&id).unwrap().is_none());
        let nameless = CertificateObject { cka_id: Vec::new(), ..certificate };
        assert!(matches!(session.write_certificate(&nameless), Err(Error::KeyIdLength { length: 0 })));
    });
}

#[test]
fn half_a_key_pair_is_not_a_key() {
    in_softhsm("half_a_key_pair_is_not_a_key", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let id = KeyId::new(b"half").unwrap();
        let session = token.session(&pin("123456")).unwrap();
        session.generate_key_pair(KeyAlgorithm::EcP256, &id, "half").unwrap();
        drop(session);
        let module = SoftHsm::module_path();
        let deleted = std::process::Command::new("pkcs11-tool")
            .args([
                "--module",
                module.to_str().unwrap(),
                "--token-label",
                "unit",
                "--login",
                "--pin",
                "123456",
            ])
            .args(["--delete-object", "--type", "pubkey", "--id", "68616c66"])
            .output()
            .unwrap();
        assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
        softhsm.module().reinitialise().unwrap();
        let session = token.session(&pin("123456")).unwrap();
        assert!(matches!(session.find_key(&id), Err(Error::KeyAbsent { what: "public key", .. })));
        assert_eq!(session.delete_objects(&id).unwrap(), 1);
    });
}

#[test]
fn a_token_that_goes_away_is_an_error_and_not_a_hang() {
    in_softhsm("a_token_that_goes_away_is_an_error_and_not_a_hang", |softhsm| {
        let token = softhsm.init_token("unit", "so-pin-1", "123456");
        let session = token.session(&pin("123456")).unwrap();
        let key = session.generate_key_pair(KeyAlgorithm::EcP256, &KeyId::new(b"k").unwrap(), "k").unwrap();
        std::fs::remove_dir_all(softhsm.tokens_dir()).unwrap();
        std::fs::create_dir(softhsm.tokens_dir()).unwrap();
        let error =
            session.generate_key_pair(KeyAlgorithm::EcP256, &KeyId::new(b"l").unwrap(), "l").unwrap_err();
        assert_eq!(error.class(), Class::Transient, "{error}");
        softhsm.module().reinitialise().unwrap();
        let error = session.sign(&key, Input::Sha256(&[0; 32])).unwrap_err();
        assert!(matches!(error, Error::SessionLost { .. }), "{error}");
        drop(session);
        assert!(matches!(token.session(&pin("123456")), Err(Error::TokenAbsent { .. })));
    });
}
