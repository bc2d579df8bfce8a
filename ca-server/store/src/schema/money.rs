//! The tables of orders, payments and the book.

diesel::table! {
    fee_order (id) {
        id -> Text,
        payer -> Text,
        tariff -> Text,
        quoted_at -> BigInt,
        honoured_until -> BigInt,
        state -> Text,
        total_fen -> BigInt,
        waived_fen -> BigInt,
        received_fen -> BigInt,
        refunded_fen -> BigInt,
        invoiced_fen -> BigInt,
    }
}

diesel::table! {
    charge (application) {
        application -> Text,
        fee_order -> Text,
        kind -> Text,
        total_fen -> BigInt,
        waived_fen -> BigInt,
        refunded_fen -> BigInt,
        earned_fen -> BigInt,
        live -> SmallInt,
    }
}

diesel::table! {
    charge_line (application, position) {
        application -> Text,
        position -> Integer,
        item -> Text,
        quantity -> Integer,
        price_fen -> BigInt,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    payment (id) {
        id -> Text,
        fee_order -> Nullable<Text>,
        payer -> Nullable<Text>,
        method -> Text,
        reference -> Text,
        amount_fen -> BigInt,
        cashier -> Nullable<Text>,
        counter -> Nullable<Text>,
        code -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    posting (id) {
        id -> BigInt,
        reason -> Text,
        cause -> Text,
        fee_order -> Nullable<Text>,
        debit -> Text,
        credit -> Text,
        amount_fen -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    ledger_account (name) {
        name -> Text,
        balance_fen -> BigInt,
    }
}

diesel::table! {
    adjustment (id) {
        id -> Text,
        kind -> Text,
        fee_order -> Text,
        application -> Text,
        amount_fen -> BigInt,
        into_credit -> SmallInt,
        keeps_certificate -> SmallInt,
        reason -> Text,
        requested_by -> Text,
        requested_at -> BigInt,
        state -> Text,
        decided_by -> Nullable<Text>,
        reasons -> Nullable<Text>,
        method -> Nullable<Text>,
        reference -> Nullable<Text>,
    }
}

diesel::table! {
    online_payment (id) {
        id -> Text,
        fee_order -> Text,
        gateway -> Text,
        amount_fen -> BigInt,
        nonce -> Text,
        code -> Text,
        description -> Text,
        opened_by -> Text,
        created_at -> BigInt,
        told_at -> BigInt,
        expires_at -> BigInt,
        state -> Text,
        url -> Nullable<Text>,
        transaction_no -> Nullable<Text>,
    }
}

diesel::table! {
    bank_line (id) {
        id -> Text,
        payment -> Text,
        booked_on -> Text,
        amount_fen -> BigInt,
        imported_by -> Text,
        imported_at -> BigInt,
        state -> Text,
        reason -> Nullable<Text>,
        payer_name -> Nullable<Text>,
        remark -> Nullable<Text>,
        fee_order -> Nullable<Text>,
        assigned_by -> Nullable<Text>,
        return_reason -> Nullable<Text>,
        return_by -> Nullable<Text>,
        return_approved_by -> Nullable<Text>,
        return_reference -> Nullable<Text>,
    }
}

diesel::table! {
    chargeback (id) {
        id -> Text,
        payment -> Text,
        fee_order -> Text,
        amount_fen -> BigInt,
        reference -> Text,
        recorded_by -> Text,
        recorded_at -> BigInt,
        state -> Text,
        held_at -> Nullable<BigInt>,
        settlement -> Nullable<Text>,
    }
}

diesel::table! {
    invoice (id) {
        id -> Text,
        fee_order -> Text,
        payer -> Text,
        kind -> Text,
        amount_fen -> BigInt,
        form_sealed -> Binary,
        requested_by -> Text,
        requested_at -> BigInt,
        due_at -> BigInt,
        due_estimated -> SmallInt,
        state -> Text,
        number -> Nullable<Text>,
        file_sha256 -> Nullable<Binary>,
        red_number -> Nullable<Text>,
        reasons -> Nullable<Text>,
        erased_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    invoice_file (invoice) {
        invoice -> Text,
        media_type -> Text,
        content -> Binary,
    }
}

diesel::table! {
    shift (counter, day) {
        counter -> Text,
        day -> Text,
        state -> Text,
        counted -> Text,
        closed_by -> Text,
        closed_at -> BigInt,
        requested_by -> Nullable<Text>,
        reason -> Nullable<Text>,
        decided_by -> Nullable<Text>,
    }
}

diesel::table! {
    pay_out (adjustment) {
        adjustment -> Text,
        counter -> Text,
        method -> Text,
        amount_fen -> BigInt,
        at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(invoice, invoice_file, fee_order);
diesel::joinable!(charge_line -> charge (application));
diesel::allow_tables_to_appear_in_same_query!(charge, charge_line);
