// SPDX-License-Identifier: Apache-2.0
// Stripe's npm library against `stampede gateway`: what works with Stripe works with it.
//
//   node tests/gateway/sdk.mjs SERVER FOLDER_WITH_NODE_MODULES
//
// A line a case, `ok NAME` or `FAIL NAME`; the last one is `N passed, M failed`.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {createServer} from 'node:http';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';

const [server, modules] = process.argv.slice(2);
const Stripe = createRequire(path.resolve(modules, 'node_modules', 'x.js'))('stripe');
const SECRET = 'sk_test_of_the_sdk';
const HOOK_SECRETS = ['whsec_old_one', 'whsec_new_one'];
const folder = mkdtempSync(path.join(tmpdir(), 'stampede-sdk-'));

// ---- the webhook: takes what its library can verify, under both secrets, as while one is replaced

const events = [];
const strangers = [];
const hook = createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const body = Buffer.concat(pieces);
    try {
      for (const secret of HOOK_SECRETS) {
        Stripe.webhooks.constructEvent(body, request.headers['stripe-signature'], secret);
      }
      events.push(JSON.parse(body.toString()));
      response.writeHead(200).end();
    } catch (error) {
      strangers.push(error);
      response.writeHead(400).end();
    }
  });
});
hook.listen(0, '127.0.0.1');
await once(hook, 'listening');

const gateway = spawn(server, [
  'gateway', '--listen', '127.0.0.1:0', '--ledger', path.join(folder, 'ledger.jsonl'), '--secret', SECRET,
  '--webhook-url', `http://127.0.0.1:${hook.address().port}/hook`, '--webhook-secret', HOOK_SECRETS.join(','),
  '--seed', '7',
], {stdio: ['ignore', 'pipe', 'inherit']});
const ended = once(gateway, 'exit');
const [ready] = await once(gateway.stdout, 'data');
const port = Number(/^ready http:\/\/127\.0\.0\.1:(\d+)\n$/.exec(ready.toString())[1]);

const settings = {host: '127.0.0.1', port, protocol: 'http', maxNetworkRetries: 0, telemetry: false};
const stripe = new Stripe(SECRET, settings);

const eventually = async (what, find) => {
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(20)) {
    const found = find();
    if (found) return found;
  }
  throw new Error(`${what} did not come`);
};
const eventOf = (type, id) => eventually(`${type} of ${id}`, () =>
  events.find((event) => event.type === type && event.data.object.id === id));
const create = (more = {}, options = {}) => stripe.paymentIntents.create(
  {amount: 2500, currency: 'eur', payment_method_types: ['card'], ...more}, options);
const refused = async (promise, expected) => {
  const error = await promise.then(() => assert.fail('it was not refused'), (reason) => reason);
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(name === 'class' ? error.constructor.name : error[name], value, `${name} of ${error}`);
  }
  return error;
};
const control = async (name, form) => {
  const response = await fetch(`http://127.0.0.1:${port}/${name}`, {
    method: form ? 'POST' : 'GET',
    headers: {Authorization: `Bearer ${SECRET}`},
    ...(form && {body: new URLSearchParams(form)}),
  });
  assert.equal(response.status, 200);
  return response.json();
};

// ---- cases

const cases = {
  async createsAndRetrieves() {
    const metadata = {order_id: 'ord_1', 'odd name': 'a+b & c=ä%'};
    const made = await create({metadata, capture_method: 'manual', description: 'A lamp',
      receipt_email: 'a@b.example'});
    assert.match(made.id, /^pi_[0-9A-Za-z]{24}$/);
    assert.equal(made.object, 'payment_intent');
    assert.equal(made.status, 'requires_payment_method');
    assert.equal(made.client_secret.startsWith(`${made.id}_secret_`), true);
    assert.deepEqual({...made.metadata}, metadata);
    assert.deepEqual([made.amount, made.currency, made.capture_method, made.livemode, made.description],
      [2500, 'eur', 'manual', false, 'A lamp']);
    assert.deepEqual(made.payment_method_types, ['card']);
    assert.equal(made.lastResponse.headers['stripe-version'], Stripe.API_VERSION);
    assert.match(made.lastResponse.requestId, /^req_/);
    assert.deepEqual(await stripe.paymentIntents.retrieve(made.id), made);
    await eventOf('payment_intent.created', made.id);
  },

  async authorisesAndCaptures() {
    const made = await create({capture_method: 'manual', metadata: {order_id: 'ord_2'}});
    const held = await stripe.paymentIntents.confirm(made.id, {payment_method: 'pm_card_visa'});
    assert.deepEqual([held.status, held.amount_capturable, held.amount_received], ['requires_capture', 2500, 0]);
    const charge = await stripe.charges.retrieve(held.latest_charge);
    assert.deepEqual([charge.captured, charge.paid, charge.status, charge.amount, charge.payment_intent],
      [false, true, 'succeeded', 2500, made.id]);
    assert.deepEqual([charge.payment_method_details.card.brand, charge.payment_method_details.card.last4],
      ['visa', '4242']);
    const event = await eventOf('payment_intent.amount_capturable_updated', made.id);
    assert.deepEqual([event.data.object.amount_capturable, event.data.object.metadata.order_id], [2500, 'ord_2']);
    const done = await stripe.paymentIntents.capture(made.id);
    assert.deepEqual([done.status, done.amount_capturable, done.amount_received], ['succeeded', 0, 2500]);
    await eventOf('payment_intent.succeeded', made.id);
  },

  async capturesInPart() {
    const made = await create({capture_method: 'manual', confirm: true, payment_method: 'pm_card_mastercard'});
    assert.equal(made.status, 'requires_capture');
    await refused(stripe.paymentIntents.capture(made.id, {amount_to_capture: 2501}),
      {class: 'StripeInvalidRequestError', statusCode: 400, code: 'amount_too_large', param: 'amount_to_capture'});
    const done = await stripe.paymentIntents.capture(made.id, {amount_to_capture: 1000, expand: ['latest_charge']});
    assert.deepEqual([done.amount, done.amount_received, done.latest_charge.amount_captured], [2500, 1000, 1000]);
    await refused(stripe.paymentIntents.capture(made.id),
      {statusCode: 400, code: 'payment_intent_unexpected_state'});
    const [row] = (await control('_ledger')).payments.filter((payment) => payment.id === made.id);
    assert.deepEqual([row.authorised, row.captured, row.refunded], [0, 1000, 0]);
  },

  async capturesAtOnce() {
    const made = await create({confirm: true, payment_method_data: {type: 'card', card: {token: 'tok_amex'}}});
    assert.deepEqual([made.status, made.amount_received], ['succeeded', 2500]);
    const charge = await stripe.charges.retrieve(made.latest_charge, {expand: ['payment_intent']});
    assert.deepEqual([charge.captured, charge.payment_intent.id], [true, made.id]);
  },

  async cancels() {
    const made = await create({capture_method: 'manual', confirm: true, payment_method: 'pm_card_visa'});
    const gone = await stripe.paymentIntents.cancel(made.id, {cancellation_reason: 'abandoned'});
    assert.deepEqual([gone.status, gone.amount_capturable, gone.cancellation_reason], ['canceled', 0, 'abandoned']);
    assert.ok(gone.canceled_at >= made.created);
    await eventOf('payment_intent.canceled', made.id);
    for (const promise of [stripe.paymentIntents.capture(made.id), stripe.paymentIntents.cancel(made.id),
      stripe.paymentIntents.confirm(made.id, {payment_method: 'pm_card_visa'})]) {
      const error = await refused(promise, {statusCode: 400, code: 'payment_intent_unexpected_state',
        class: 'StripeInvalidRequestError'});
      assert.equal(error.payment_intent.id, made.id);
      assert.equal(error.payment_intent.status, 'canceled');
    }
    const [row] = (await control('_ledger')).payments.filter((payment) => payment.id === made.id);
    assert.deepEqual([row.authorised, row.captured, row.refunded], [0, 0, 0]);
  },

  async refundsTwice() {
    const made = await create({confirm: true, payment_method: 'pm_card_visa'});
    const first = await stripe.refunds.create({payment_intent: made.id, amount: 700, reason: 'requested_by_customer',
      metadata: {line: '1'}});
    assert.deepEqual([first.object, first.status, first.amount, first.metadata.line],
      ['refund', 'succeeded', 700, '1']);
    assert.deepEqual([first.payment_intent, first.charge], [made.id, made.latest_charge]);
    const partly = await eventOf('charge.refunded', made.latest_charge);
    assert.deepEqual([partly.data.object.amount_refunded, partly.data.object.refunded], [700, false]);
    await refused(stripe.refunds.create({payment_intent: made.id, amount: 1801}), {statusCode: 400, param: 'amount'});
    const rest = await stripe.refunds.create({charge: made.latest_charge});
    assert.equal(rest.amount, 1800);
    await eventOf('refund.created', rest.id);
    await refused(stripe.refunds.create({payment_intent: made.id}), {code: 'charge_already_refunded'});
    const charge = await stripe.charges.retrieve(made.latest_charge);
    assert.deepEqual([charge.amount_refunded, charge.refunded], [2500, true]);
    const list = await stripe.refunds.list({payment_intent: made.id});
    assert.deepEqual(list.data.map((refund) => refund.id), [rest.id, first.id]);
    const updated = await stripe.refunds.update(first.id, {metadata: {line: '2'}});
    assert.deepEqual([updated.id, updated.metadata.line], [first.id, '2']);
    await eventOf('refund.updated', first.id);
    assert.deepEqual(await stripe.refunds.retrieve(first.id), updated);
  },

  async refundsNothingUncaptured() {
    const made = await create({capture_method: 'manual', confirm: true, payment_method: 'pm_card_visa'});
    await refused(stripe.refunds.create({payment_intent: made.id}), {statusCode: 400});
    await refused(stripe.refunds.create({}), {code: 'parameter_missing'});
    await refused(stripe.refunds.create({payment_intent: 'pi_nobody'}), {code: 'resource_missing'});
  },

  async refundsThatTakeTheirTime() {
    const slow = await create({confirm: true, payment_method: 'pm_card_pendingRefund'});
    const pending = await stripe.refunds.create({payment_intent: slow.id});
    assert.equal(pending.status, 'pending');
    assert.equal((await eventOf('refund.updated', pending.id)).data.object.status, 'succeeded');
    const bad = await create({confirm: true, payment_method: 'pm_card_refundFail'});
    const failing = await stripe.refunds.create({payment_intent: bad.id});
    assert.equal(failing.status, 'succeeded');
    assert.equal((await eventOf('refund.failed', failing.id)).data.object.status, 'failed');
    assert.equal((await stripe.charges.retrieve(bad.latest_charge)).amount_refunded, 0);
  },

  async declines() {
    const rows = [
      ['pm_card_chargeDeclined', 'card_declined', 'generic_decline'],
      ['pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline'],
      ['pm_card_declined', 'card_declined', 'generic_decline'],
      ['pm_card_visa_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
      ['pm_card_visa_chargeDeclinedLostCard', 'card_declined', 'lost_card'],
      ['pm_card_visa_chargeDeclinedStolenCard', 'card_declined', 'stolen_card'],
      ['pm_card_radarBlock', 'card_declined', 'fraudulent'],
      ['pm_card_visa_chargeDeclinedVelocityLimitExceeded', 'card_declined', 'card_velocity_exceeded'],
      ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
      ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', 'incorrect_cvc'],
      ['pm_card_chargeDeclinedProcessingError', 'processing_error', 'processing_error'],
    ];
    const made = await create({metadata: {order_id: 'ord_3'}});
    for (const [payment_method, code, decline_code] of rows) {
      const error = await refused(stripe.paymentIntents.confirm(made.id, {payment_method}),
        {class: 'StripeCardError', rawType: 'card_error', statusCode: 402, code, decline_code});
      assert.equal(error.payment_intent.status, 'requires_payment_method');
      assert.equal(error.payment_intent.last_payment_error.decline_code, decline_code);
      assert.equal(error.payment_method.object, 'payment_method');
      const charge = await stripe.charges.retrieve(error.charge);
      assert.deepEqual([charge.status, charge.paid, charge.failure_code], ['failed', false, code]);
    }
    await eventOf('payment_intent.payment_failed', made.id);
    const charges = await stripe.charges.list({payment_intent: made.id, limit: 100});
    assert.equal(charges.data.length, rows.length);
    const paid = await stripe.paymentIntents.confirm(made.id, {payment_method: 'pm_card_visa'});
    assert.deepEqual([paid.status, paid.last_payment_error], ['succeeded', null]);
    await refused(create({confirm: true, payment_method: 'pm_card_chargeDeclined'}), {class: 'StripeCardError'});
  },

  async asksTheHolder() {
    for (const [result, status] of [['succeeded', 'requires_capture'], ['failed', 'requires_payment_method']]) {
      const made = await create({capture_method: 'manual', confirm: true, return_url: 'http://shop.example/back',
        payment_method: 'pm_card_authenticationRequired'});
      assert.equal(made.status, 'requires_action');
      assert.equal(made.next_action.type, 'redirect_to_url');
      await eventOf('payment_intent.requires_action', made.id);
      const {url} = made.next_action.redirect_to_url;
      assert.match(await (await fetch(url)).text(), /Test bank/);
      const back = await fetch(`${url}&result=${result}`, {redirect: 'manual'});
      assert.equal(back.status, 303);
      assert.ok(back.headers.get('location').startsWith(`http://shop.example/back?payment_intent=${made.id}&`));
      assert.equal((await stripe.paymentIntents.retrieve(made.id)).status, status);
    }
  },

  async updates() {
    const made = await create({metadata: {a: '1', b: '2'}});
    const changed = await stripe.paymentIntents.update(made.id, {amount: 3000, metadata: {a: '', c: '3'},
      payment_method: 'pm_card_visa'});
    assert.deepEqual([changed.amount, changed.status, {...changed.metadata}],
      [3000, 'requires_confirmation', {b: '2', c: '3'}]);
    const paid = await stripe.paymentIntents.confirm(made.id);
    assert.equal(paid.amount_received, 3000);
    await refused(stripe.paymentIntents.update(made.id, {amount: 1}), {code: 'payment_intent_unexpected_state'});
  },

  async refusesWhatIsWrong() {
    const wrong = {class: 'StripeInvalidRequestError', statusCode: 400};
    const lacking = {...wrong, code: 'parameter_missing'};
    await refused(stripe.paymentIntents.create({currency: 'eur'}), {...lacking, param: 'amount'});
    await refused(stripe.paymentIntents.create({amount: 100}), {...lacking, param: 'currency'});
    await refused(create({amount: 'ten'}), {...wrong, code: 'parameter_invalid_integer', param: 'amount'});
    await refused(create({amount: 0}), {...wrong, code: 'parameter_invalid_integer', param: 'amount'});
    await refused(create({amount: 100000000}), {...wrong, code: 'amount_too_large', param: 'amount'});
    await refused(create({currency: 'e1r'}), {...wrong, param: 'currency'});
    await refused(create({colour: 'red'}), {...wrong, code: 'parameter_unknown', param: 'colour'});
    await refused(create({capture_method: 'later'}), {...wrong, param: 'capture_method'});
    await refused(create({expand: ['nothing']}), {...wrong, param: 'expand'});
    await refused(create({metadata: {['k'.repeat(41)]: 'v'}}), {...wrong, param: 'metadata'});
    await refused(create({metadata: {k: 'v'.repeat(501)}}), {...wrong, param: 'metadata'});
    await refused(create({confirm: true}), {...wrong, code: 'payment_intent_unexpected_state'});
    await refused(create({payment_method: 'pm_card_unknown'}),
      {...wrong, code: 'resource_missing', param: 'payment_method'});
    const missing = {class: 'StripeInvalidRequestError', statusCode: 404, code: 'resource_missing'};
    await refused(stripe.paymentIntents.retrieve('pi_nobody'), {...missing, param: 'intent'});
    await refused(stripe.paymentIntents.capture('pi_nobody'), missing);
    await refused(stripe.charges.retrieve('ch_nobody'), missing);
    await refused(stripe.refunds.retrieve('re_nobody'), missing);
    await refused(stripe.events.retrieve('evt_nobody'), missing);
    await refused(stripe.customers.create({}), {class: 'StripeInvalidRequestError', statusCode: 404});
  },

  async knowsItsKeys() {
    const wrong = {class: 'StripeAuthenticationError', statusCode: 401};
    await refused(new Stripe('sk_test_another', settings).paymentIntents.list(), wrong);
    await refused(new Stripe(SECRET.slice(0, -1), settings).paymentIntents.list(), wrong);
    const browser = new Stripe('pk_test_browser', settings);
    const made = await create();
    await refused(browser.paymentIntents.retrieve(made.id), {statusCode: 404});
    await refused(browser.paymentIntents.retrieve(made.id, {client_secret: `${made.id}_secret_x`}), {statusCode: 404});
    await refused(browser.paymentIntents.capture(made.id), {class: 'StripePermissionError', statusCode: 403});
    const paid = await browser.paymentIntents.confirm(made.id,
      {client_secret: made.client_secret, payment_method: 'pm_card_visa'});
    assert.equal(paid.status, 'succeeded');
  },

  async repeatsByKey() {
    const params = {metadata: {order_id: 'ord_4'}, confirm: true, payment_method: 'pm_card_visa'};
    const first = await create(params, {idempotencyKey: 'key-1'});
    const again = await create(params, {idempotencyKey: 'key-1'});
    assert.deepEqual(again, first);
    assert.equal(first.lastResponse.headers['idempotent-replayed'], undefined);
    assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
    assert.equal(again.lastResponse.headers['original-request'], first.lastResponse.requestId);
    assert.equal(again.lastResponse.idempotencyKey, 'key-1');
    await refused(create({...params, amount: 2600}, {idempotencyKey: 'key-1'}),
      {class: 'StripeIdempotencyError', rawType: 'idempotency_error', statusCode: 400});
    await refused(stripe.refunds.create({payment_intent: first.id}, {idempotencyKey: 'key-1'}),
      {class: 'StripeIdempotencyError', statusCode: 400});
    const refund = await stripe.refunds.create({payment_intent: first.id, amount: 100}, {idempotencyKey: 'key-2'});
    const twice = await stripe.refunds.create({payment_intent: first.id, amount: 100}, {idempotencyKey: 'key-2'});
    assert.deepEqual(twice, refund);
    assert.equal((await stripe.charges.retrieve(first.latest_charge)).amount_refunded, 100);
    // A card that was declined stays so under its key, and what was refused unread does not bind it.
    const made = await create();
    const decline = () => refused(stripe.paymentIntents.confirm(made.id, {payment_method: 'pm_card_declined'},
      {idempotencyKey: 'key-3'}), {class: 'StripeCardError'});
    assert.equal((await decline()).charge, (await decline()).charge);
    await refused(create({amount: 'x'}, {idempotencyKey: 'key-4'}), {statusCode: 400});
    await create({}, {idempotencyKey: 'key-4'});
  },

  async refusesAKeyInFlight() {
    await control('_misbehave', {delay: '1000', delay_ms: '400'});
    const both = await Promise.allSettled([1, 2].map(() => create({}, {idempotencyKey: 'key-5'})));
    await control('_misbehave', {none: 'true'});
    const losers = both.filter(({status}) => status === 'rejected');
    assert.equal(losers.length, 1);
    assert.deepEqual([losers[0].reason.statusCode, losers[0].reason.code, losers[0].reason.rawType],
      [409, 'idempotency_key_in_use', 'idempotency_error']);
  },

  async retriesByItself() {
    const patient = new Stripe(SECRET, {...settings, maxNetworkRetries: 10});
    await control('_misbehave', {timeout: '300', error_before: '300', error_after: '200', seed: '5'});
    for (let i = 0; i < 6; i++) {
      const made = await patient.paymentIntents.create({amount: 100 + i, currency: 'eur', confirm: true,
        payment_method: 'pm_card_visa', metadata: {order_id: `ord_retry_${i}`}});
      assert.equal(made.status, 'succeeded');
    }
    await control('_misbehave', {none: 'true'});
    const {payments} = await control('_ledger');
    for (let i = 0; i < 6; i++) {
      assert.equal(payments.filter((payment) => payment.order_id === `ord_retry_${i}`).length, 1);
    }
  },

  async lists() {
    const ids = [];
    for (let i = 0; i < 5; i++) ids.unshift((await create({customer: 'cus_lists'})).id);
    const page = await stripe.paymentIntents.list({customer: 'cus_lists', limit: 2});
    assert.deepEqual([page.object, page.has_more, page.url], ['list', true, '/v1/payment_intents']);
    assert.deepEqual(page.data.map(({id}) => id), ids.slice(0, 2));
    const before = await stripe.paymentIntents.list({customer: 'cus_lists', limit: 2, ending_before: ids[3]});
    assert.deepEqual(before.data.map(({id}) => id), ids.slice(1, 3));
    const all = [];
    for await (const intent of stripe.paymentIntents.list({customer: 'cus_lists', limit: 2})) all.push(intent.id);
    assert.deepEqual(all, ids);
    await refused(stripe.paymentIntents.list({limit: 101}), {statusCode: 400, param: 'limit'});
    await refused(stripe.paymentIntents.list({starting_after: 'pi_nobody'}), {statusCode: 404});
  },

  async listsEvents() {
    const made = await create({confirm: true, payment_method: 'pm_card_visa'}, {idempotencyKey: 'key-6'});
    await eventOf('payment_intent.succeeded', made.id);
    const list = await stripe.events.list({type: 'payment_intent.succeeded', limit: 1});
    const [event] = list.data;
    assert.deepEqual([event.object, event.data.object.id, event.data.object.status, event.request.idempotency_key],
      ['event', made.id, 'succeeded', 'key-6']);
    assert.equal((await stripe.events.retrieve(event.id)).id, event.id);
    const some = await stripe.events.list({types: ['refund.created', 'charge.refunded'], limit: 100});
    assert.deepEqual([...new Set(some.data.map(({type}) => type))].sort(), ['charge.refunded', 'refund.created']);
  },

  // Every event of the list came, signed by both secrets, once, in the order of each payment.
  async delivered() {
    const all = [];
    for await (const event of stripe.events.list({limit: 100})) all.unshift(event);
    assert.ok(all.length > 50);
    await eventually('the last event', () => events.length >= all.length);
    assert.equal(strangers.length, 0);
    assert.equal(new Set(events.map(({id}) => id)).size, events.length);
    const order = (list) => {
      const byPayment = {};
      for (const {id, data: {object}} of list) (byPayment[object.payment_intent ?? object.id] ??= []).push(id);
      return byPayment;
    };
    assert.deepEqual(order(events), order(all));
    const {webhook} = await control('_ledger');
    assert.deepEqual([webhook.failed, webhook.lost, webhook.dropped], [0, 0, 0]);
  },

  async balances() {
    const ledger = await control('_ledger');
    assert.equal(ledger.balanced, true);
    const sum = (name) => ledger.payments.reduce((total, payment) => total + payment[name], 0);
    const [{customer, authorised, merchant, refunded}] = ledger.totals;
    assert.equal(ledger.totals.length, 1);
    assert.deepEqual([authorised, refunded], [sum('authorised'), sum('refunded')]);
    assert.equal(merchant, sum('captured') - sum('refunded'));
    assert.equal(customer + authorised + merchant + refunded, 0);
  },
};

let passed = 0, failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    passed++;
    console.log(`ok   sdk.${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL sdk.${name}\n${error.stack}`);
  }
}
gateway.kill('SIGTERM');
const [status] = await ended;
if (status !== 0) {
  failed++;
  console.log(`FAIL sdk.ends: exit status ${status}`);
}
hook.close();
hook.closeAllConnections();
rmSync(folder, {recursive: true});
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
