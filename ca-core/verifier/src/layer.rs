//! For tower (axum, hyper): whoever comes in is asked for anew at every request, before anything that only units may do.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use rustls_pki_types::CertificateDer;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Gate, Refusal, Time, VerifiedPath};

/// What the handshake of a connection brought. Put it into the extensions of each request that comes over it.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Result<VerifiedPath, Refusal>>);

impl Admission {
    /// After each handshake, full or resumed: [`Gate::admit`].
    #[must_use]
    pub fn new(gate: &Gate, peer: Option<&[CertificateDer<'_>]>, now: Time) -> Self {
        Self(Arc::new(gate.admit(peer, now)))
    }
}

/// Puts a [`crate::VerifiedUnit`] into the extensions of each request, by [`Gate::check`], or answers with the refusal. A
/// request without an [`Admission`] comes from nobody.
#[derive(Clone, Debug)]
pub struct GateLayer<R> {
    gate: Arc<Gate>,
    now: fn() -> Time,
    refuse: R,
}

impl<R> GateLayer<R> {
    /// `now` is the machine's clock; `refuse` makes the answer, whose status must be none that a client takes for success.
    #[must_use]
    pub fn new(gate: Arc<Gate>, now: fn() -> Time, refuse: R) -> Self {
        Self { gate, now, refuse }
    }
}

impl<S, R: Clone> Layer<S> for GateLayer<R> {
    type Service = GateService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService { inner, layer: self.clone() }
    }
}

/// Made by [`GateLayer`].
#[derive(Clone, Debug)]
pub struct GateService<S, R> {
    inner: S,
    layer: GateLayer<R>,
}

impl<S, R, B, C> Service<Request<B>> for GateService<S, R>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    C: Send + 'static,
    R: Fn(&Refusal) -> Response<C>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let GateLayer { gate, now, refuse } = &self.layer;
        let decision = match request.extensions().get::<Admission>().map(|admission| &*admission.0) {
            Some(Ok(path)) => gate.check(path, now()),
            Some(Err(refusal)) => Err(refusal.clone()),
            None => Err(Refusal::NoCertificate),
        };
        match decision {
            Ok(unit) => {
                request.extensions_mut().insert(unit);
                Box::pin(self.inner.call(request))
            }
            Err(refusal) => Box::pin(ready(Ok(refuse(&refusal)))),
        }
    }
}
