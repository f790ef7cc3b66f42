// What is shown once is copied with one press; where the browser does not let us, it is selected to be copied by hand.
document.addEventListener('click', async e => {
  const button = e.target.closest('[data-copy]');
  if (!button) return;
  const field = document.querySelector(button.dataset.copy);
  field.select();
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(field.value);
    else if (!document.execCommand('copy')) return;
  } catch { return; }
  button.querySelector('span').textContent = button.dataset.copied;
  document.getElementById('say').textContent = button.dataset.copied;
});
