default_scope='mmaction'
custom_hooks=[]
