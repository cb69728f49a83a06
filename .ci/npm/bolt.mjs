// An app written with Slack's own Bolt for JavaScript, as its documentation says: a command opens a form, the form becomes a message with a
// button, the button changes the message, Home is published when it is opened; shortcuts, a menu that is searched by typing. It talks to whatever
// SLACK_API_URL names: over Socket Mode, or, with BOLT_PORT, over signed HTTP requests.
import bolt from '@slack/bolt';

const { App, LogLevel } = bolt;
const port = Number(process.env.BOLT_PORT || 0);
const way = port ? { signingSecret: process.env.SLACK_SIGNING_SECRET } : { appToken: process.env.SLACK_APP_TOKEN, socketMode: true };
const app = new App({
  token: process.env.SLACK_BOT_TOKEN,
  ...way,
  logLevel: LogLevel.WARN,
  clientOptions: { slackApiUrl: process.env.SLACK_API_URL },
});

const text = (s) => ({ type: 'plain_text', text: s });

app.command('/access', async ({ ack, body, client }) => {
  await ack();
  await client.views.open({
    trigger_id: body.trigger_id,
    view: {
      type: 'modal', callback_id: 'ask', title: text('Ask'), submit: text('Send'), private_metadata: body.channel_id,
      blocks: [{ type: 'input', block_id: 'why', label: text('Why'), element: { type: 'plain_text_input', action_id: 'value' } }],
    },
  });
});

app.view('ask', async ({ ack, body, view, client }) => {
  const why = view.state.values.why.value.value;
  if (why.length < 5) {
    await ack({ response_action: 'errors', errors: { why: 'Say more.' } });
    return;
  }
  await ack();
  await client.chat.postMessage({
    channel: view.private_metadata, text: `${body.user.id} asks: ${why}`,
    blocks: [
      { type: 'section', text: text(`asks: ${why}`) },
      { type: 'actions', elements: [{ type: 'button', action_id: 'yes', value: 'v1', text: text('Yes') }] },
    ],
  });
});

app.action('yes', async ({ ack, body, action, client, respond }) => {
  await ack();
  await client.chat.update({ channel: body.channel.id, ts: body.message.ts, text: `yes by ${body.user.id} ${action.value}`, blocks: [] });
  await respond({ response_type: 'ephemeral', text: 'recorded', replace_original: false });
});

app.event('app_home_opened', async ({ event, client }) => {
  await client.views.publish({ user_id: event.user, view: { type: 'home', blocks: [{ type: 'section', text: text('home of bolt') }] } });
});

app.event('message', async ({ event, client }) => {
  if (event.thread_ts && !event.bot_id) {
    await client.reactions?.add?.({ channel: event.channel, timestamp: event.ts, name: 'eyes' }).catch(() => {});
    await client.chat.postMessage({ channel: event.channel, thread_ts: event.thread_ts, text: `heard: ${event.text}` });
  }
});

// What a shortcut was used on travels in the metadata of the form that it opens.
app.shortcut('request_access', async ({ ack, shortcut, client }) => {
  await ack();
  await client.views.open({
    trigger_id: shortcut.trigger_id,
    view: {
      type: 'modal', callback_id: 'pick', title: text('Pick'), submit: text('Send'), notify_on_close: true,
      blocks: [{
        type: 'input', block_id: 'what', label: text('What'),
        element: { type: 'external_select', action_id: 'target', min_query_length: 0, placeholder: text('Search') },
      }],
    },
  });
});

app.shortcut('about', async ({ ack, shortcut, client }) => {
  await ack();
  await client.chat.postMessage({ channel: shortcut.channel.id, thread_ts: shortcut.message.ts, text: `about: ${shortcut.message.text}` });
});

app.options('target', async ({ ack, options }) => {
  const all = ['main database', 'bastion', 'build server'].filter((s) => s.includes(options.value));
  await ack({ options: all.map((s) => ({ text: text(s), value: s })) });
});

app.view('pick', async ({ ack, body, view, client }) => {
  await ack();
  await client.chat.postMessage({ channel: body.user.id, text: `picked: ${view.state.values.what.target.selected_option.value}` });
});

app.view({ callback_id: 'pick', type: 'view_closed' }, async ({ ack, body, client }) => {
  await ack();
  await client.chat.postMessage({ channel: body.user.id, text: 'picked nothing' });
});

await app.start(port || undefined);
console.log('ready');
