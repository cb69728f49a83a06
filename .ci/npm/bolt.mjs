// An app written with Slack's own Bolt for JavaScript, as its documentation says: a command opens a form, the form becomes a message with a
// button, the button changes the message, Home is published when it is opened. It talks to whatever SLACK_API_URL names.
import bolt from '@slack/bolt';

const { App, LogLevel } = bolt;
const app = new App({
  token: process.env.SLACK_BOT_TOKEN,
  appToken: process.env.SLACK_APP_TOKEN,
  socketMode: true,
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

await app.start();
console.log('ready');
