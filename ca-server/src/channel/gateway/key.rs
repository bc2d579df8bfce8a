//! Keys of a gateway, from files: the shared key or the gateway's public key, and the merchant's own.

use ca_core::{GatewayKey, MerchantKey};

use crate::{
    channel::wrong,
    config::{GatewayConfig, GatewaySigns},
    files,
    problem::Failure,
};

const SECRET_OCTETS: (usize, usize) = (32, 1024);

/// What the gateway's signatures are checked with, and what ours are made with.
pub(super) fn read(config: &GatewayConfig) -> Result<(GatewayKey, MerchantKey), Failure> {
    let section = |key: &str| format!("gateway.{}.{key}", config.name);
    let (least, most) = SECRET_OCTETS;
    let merchant = files::read_key(&config.merchant_key_file, least, most)?;
    let gateway = match config.algorithm {
        GatewaySigns::HmacSha256 => {
            let shared = files::read_key(&config.key_file, least, most)?;
            // Else what we say could be sent back to us as what the gateway says.
            if shared == merchant {
                return Err(wrong(&section("merchant_key_file"), "it holds the same key as key_file"));
            }
            GatewayKey::shared(&shared)
        }
        GatewaySigns::RsaSha256 => GatewayKey::rsa(&files::read_pem_or_der(&config.key_file, "PUBLIC KEY")?),
    };
    let gateway = gateway.map_err(|error| wrong(&section("key_file"), error))?;
    let merchant =
        MerchantKey::new(&merchant).map_err(|error| wrong(&section("merchant_key_file"), error))?;
    Ok((gateway, merchant))
}
