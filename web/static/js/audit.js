// A row opens to what was before and after.
document.addEventListener('click', e => {
  const button = e.target.closest('.audit [aria-controls]');
  if (!button) return;
  const more = document.getElementById(button.getAttribute('aria-controls')), open = more.hidden;
  more.hidden = !open;
  button.setAttribute('aria-expanded', open);
});
