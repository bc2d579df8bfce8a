//! What things cost, what was paid, and where the money stands (step 4 of the path). Amounts in fen.
//!
//! A [`Bill`] is an order with its charges, one an application. Whatever happens to it goes through
//! [`Bill::apply`], which gives the postings that belong to it: an order cannot change without its money, and no money
//! moves without a reason.

mod account;
mod bill;
mod invoice;
mod invoice_error;
mod invoice_file;
mod invoice_form;
#[cfg(test)]
mod model;
mod order;
mod payment;
mod tariff;

pub use account::{Account, Booked, Payer, PaymentMethod, Posting};
pub use bill::{Bill, BillCommand, BillRefusal, COLLECT, Collected};
pub use invoice::{
    Invoice, InvoiceCommand, InvoiceNumber, InvoiceState, check_invoice_amount, invoice_due, invoiceable,
};
pub use invoice_error::InvoiceError;
pub use invoice_file::{INVOICE_FILE_MAX, InvoiceFileKind};
pub use invoice_form::{Buyer, InvoiceForm, InvoiceKind, InvoicePayer, InvoiceRequest, Particulars};
pub use order::{Charge, Order, OrderState};
pub use payment::{Adjustment, AdjustmentCommand, AdjustmentKind, AdjustmentState, Payment};
pub use tariff::{FeeItem, Item, Quote, QuoteLine, Tariff};
